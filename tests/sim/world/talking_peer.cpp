#include "sim/world/talking_peer.hpp"

#include <algorithm>

#include "sim/world/dice.hpp"

namespace isotube::sim {
namespace {

/// Both sides know from its number what a message is: its length and every byte.
Bytes message_of(const Plan& plan, Side from, std::size_t channel, std::uint32_t number) {
  Dice dice{plan.seed, static_cast<std::uint64_t>(from), channel, number};
  // Most are small, some fill many packets.
  const std::size_t bound = dice.falls(0.8) ? std::min<std::size_t>(plan.largest, 1'500) : plan.largest;
  Bytes message(dice.between(4, std::max<std::size_t>(bound, 4)));
  SpanWriter writer(message);
  writer.u32(number);
  while (writer.remaining() >= 8) writer.u64(dice.next());
  while (writer.remaining() > 0) writer.u8(static_cast<std::uint8_t>(dice.next()));
  return message;
}

Side other_side(Side side) { return side == Side::Offerer ? Side::Answerer : Side::Offerer; }

bool is_opened_by(Side side, std::size_t channel) { return (channel % 2 == 0) == (side == Side::Offerer); }

}  // namespace

TalkingPeer::TalkingPeer(Side side, const Plan& plan, const Address& address, const peer::Settings& settings,
                         const Random& random)
    : PeerNode(address, settings, random), side_(side), plan_(plan), channels_(plan.ordered.size()) {
  for (Channel& channel : channels_) channel.heard_numbers.resize(plan.messages);
}

bool TalkingPeer::has_heard_everything() const {
  return std::ranges::all_of(channels_, [this](const Channel& each) { return each.heard == plan_.messages; });
}

std::string TalkingPeer::progress() const {
  std::string text = side_ == Side::Offerer ? "offerer:" : "answerer:";
  for (const Channel& each : channels_) {
    text += " said " + std::to_string(each.said) + " heard " + std::to_string(each.heard) + ";";
  }
  if (closed_) text += " closed: " + closed_->detail;
  return text;
}

void TalkingPeer::on_event(TimePoint now, peer::Event& event) {
  if (closed_) complain("an event after Closed");
  if (const auto* changed = std::get_if<peer::StateChanged>(&event)) {
    if (changed->state == peer::State::Connected && !was_connected_) {
      was_connected_ = true;
      open_ours(now);
    }
  } else if (const auto* found = std::get_if<peer::LocalCandidate>(&event)) {
    if (other_ != nullptr) other_->peer().add_remote_candidate(now, found->candidate);
  } else if (std::holds_alternative<peer::GatheringDone>(event)) {
    if (other_ != nullptr) other_->peer().end_of_remote_candidates(now);
  } else if (const auto* opened = std::get_if<datachannel::Opened>(&event)) {
    if (const auto index = index_of(opened->channel)) channels_[*index].may_send = true;
  } else if (const auto* theirs = std::get_if<datachannel::OpenedByPeer>(&event)) {
    adopt(*theirs);
  } else if (const auto* message = std::get_if<datachannel::Message>(&event)) {
    hear(*message);
  } else if (auto* end = std::get_if<peer::Closed>(&event)) {
    closed_ = std::move(*end);
  }
}

void TalkingPeer::open_ours(TimePoint now) {
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    if (!is_opened_by(side_, index)) continue;
    datachannel::ChannelConfig config;
    config.label = std::to_string(index);
    config.ordered = plan_.ordered[index];
    const auto id = peer().open_channel(now, config);
    if (!id) return complain("a channel could not be opened");
    channels_[index].id = *id;
    channels_[index].may_send = true;
  }
}

void TalkingPeer::adopt(const datachannel::OpenedByPeer& opened) {
  const std::string& label = opened.config.label;
  const std::size_t index = label.empty() ? channels_.size() : static_cast<std::size_t>(label.front() - '0');
  if (index >= channels_.size() || label.size() != 1) return complain("a channel that nobody planned");
  if (opened.config.ordered != plan_.ordered[index]) return complain("a channel with the wrong order");
  channels_[index].id = opened.channel;
  channels_[index].may_send = true;
}

bool TalkingPeer::act(TimePoint now) {
  bool moved = false;
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    while (say_more(now, index)) moved = true;
  }
  return moved;
}

bool TalkingPeer::say_more(TimePoint now, std::size_t index) {
  Channel& channel = channels_[index];
  if (closed_ || !channel.may_send || channel.said == plan_.messages) return false;
  const Bytes message = message_of(plan_, side_, index, channel.said);
  constexpr std::size_t kHeadroom = 64;
  Buffer payload = pool().copy_of(message, kHeadroom);
  const auto sent = peer().send(now, *channel.id, datachannel::MessageKind::Binary, std::move(payload));
  if (!sent) {
    // Refused for now, or for good because the peer is closing: Closed then says so.
    return false;
  }
  ++channel.said;
  return true;
}

void TalkingPeer::hear(const datachannel::Message& message) {
  const auto index = index_of(message.channel);
  if (!index) return complain("a message on no channel");
  Channel& channel = channels_[*index];
  ByteReader reader(message.payload.view());
  const std::uint32_t number = reader.u32();
  if (!reader.ok() || number >= plan_.messages) return complain("a message with no number");
  if (channel.heard_numbers[number]) return complain("message " + std::to_string(number) + " came twice");
  if (plan_.ordered[*index] && number != channel.heard) {
    return complain("message " + std::to_string(number) + " came out of order");
  }
  if (!std::ranges::equal(message.payload.view(), message_of(plan_, other_side(side_), *index, number))) {
    return complain("message " + std::to_string(number) + " has other bytes");
  }
  channel.heard_numbers[number] = true;
  ++channel.heard;
}

std::optional<std::size_t> TalkingPeer::index_of(datachannel::ChannelId id) const {
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    if (channels_[index].id == id) return index;
  }
  return std::nullopt;
}

void TalkingPeer::complain(const std::string& what) {
  if (complaint_.empty()) complaint_ = what;
}

}  // namespace isotube::sim
