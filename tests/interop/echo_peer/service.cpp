#include "service.hpp"

#include <openssl/evp.h>

#include <charconv>
#include <stdexcept>
#include <utility>

namespace isotube::interop {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

/// The text behind `prefix`, if `text` begins with it.
std::optional<std::string_view> behind(std::string_view prefix, std::string_view text) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

std::size_t number_of(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) throw std::runtime_error("a number was expected");
  return number;
}

/// Bytes that look random (xorshift32).
void fill(MutableByteView bytes, std::uint32_t& state) {
  for (std::byte& each : bytes) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    each = static_cast<std::byte>(state & 0xFF);
  }
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

void Sha256::add(ByteView bytes) { EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()); }

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_of(context_.get()), digest.data(), &length);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : std::span(digest).first(length)) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void Service::handle_event(TimePoint now, peer::Event&& event) {
  if (const auto* changed = std::get_if<peer::StateChanged>(&event)) {
    if (changed->state == peer::State::Connected && channels_.empty()) on_connected(now);
  } else if (auto* opened = std::get_if<datachannel::OpenedByPeer>(&event)) {
    Channel& channel = channels_[opened->channel];
    channel.label = std::move(opened->config.label);
    if (channel.label == "bulk") channel.bulk.emplace();
  } else if (auto* message = std::get_if<datachannel::Message>(&event)) {
    on_message(now, std::move(*message));
  } else if (const auto* low = std::get_if<datachannel::BufferedAmountLow>(&event)) {
    if (const auto found = channels_.find(low->channel); found != channels_.end()) {
      flush(now, found->first, found->second);
    }
  } else if (const auto* closed = std::get_if<datachannel::Closed>(&event)) {
    channels_.erase(closed->channel);
  } else if (const auto* end = std::get_if<peer::Closed>(&event)) {
    if (end->reason != peer::CloseReason::Local && end->reason != peer::CloseReason::Remote) {
      throw std::runtime_error("the connection was lost: " + end->detail);
    }
  }
}

void Service::on_connected(TimePoint now) {
  datachannel::ChannelConfig config;
  config.label = "negotiated";
  config.negotiated = ChannelId{limits_.negotiated_id};
  open(now, config);
}

void Service::open(TimePoint now, const datachannel::ChannelConfig& config) {
  const auto id = peer_.open_channel(now, config);
  if (!id) throw std::runtime_error("channel \"" + config.label + "\" can't be opened");
  channels_[*id].label = config.label;
}

void Service::on_message(TimePoint now, datachannel::Message&& message) {
  const auto found = channels_.find(message.channel);
  if (found == channels_.end()) throw std::runtime_error("a message came on a channel that is not open");
  Channel& channel = found->second;
  if (channel.label == "command") return on_command(now, as_text(message.payload.view()));
  if (channel.bulk) return on_bulk(now, message.channel, channel, message);
  enqueue(now, message.channel, channel, message.kind, std::move(message.payload));
}

void Service::on_command(TimePoint now, std::string_view command) {
  if (const auto label = behind("open ", command)) {
    datachannel::ChannelConfig config;
    config.label = *label;
    return open(now, config);
  }
  for (auto& [id, channel] : channels_) {
    if (command == "close " + channel.label) return peer_.close_channel(now, id);
    if (command == "empty " + channel.label) {
      enqueue(now, id, channel, MessageKind::Text, Buffer());
      return enqueue(now, id, channel, MessageKind::Binary, Buffer());
    }
  }
  throw std::runtime_error("unknown command \"" + std::string(command) + "\"");
}

void Service::on_bulk(TimePoint now, ChannelId id, Channel& channel, const datachannel::Message& message) {
  if (message.kind == MessageKind::Binary) return channel.bulk->received.add(message.payload.view());
  const std::string_view text = as_text(message.payload.view());
  if (const auto length = behind("send ", text)) {
    channel.bulk->to_send = number_of(*length);
    flush(now, id, channel);
  } else if (const auto checksum = behind("sha256 ", text)) {
    enqueue_text(now, id, channel, channel.bulk->received.hex() == *checksum ? "match" : "mismatch");
  } else if (text != "match") {
    throw std::runtime_error("the examiner received other bytes than were sent");
  }
}

void Service::enqueue(TimePoint now, ChannelId id, Channel& channel, MessageKind kind, Buffer&& payload) {
  channel.queue.push_back({kind, std::move(payload)});
  flush(now, id, channel);
}

void Service::enqueue_text(TimePoint now, ChannelId id, Channel& channel, std::string_view text) {
  enqueue(now, id, channel, MessageKind::Text, pool_.copy_of(as_byte_view(text)));
}

/// Makes the next piece of a bulk transfer when the last one is on its way.
void Service::make_more(Channel& channel) {
  if (!channel.bulk || channel.bulk->checksum_sent) return;
  Bulk& bulk = *channel.bulk;
  const std::size_t length = std::min(bulk.to_send, limits_.message_size);
  if (length > 0) {
    Buffer piece = pool_.acquire(0, length);
    fill(piece.append(length), bulk.random);
    bulk.sent.add(piece.view());
    bulk.to_send -= length;
    channel.queue.push_back({MessageKind::Binary, std::move(piece)});
    if (bulk.to_send > 0) return;
    const std::string checksum = "sha256 " + bulk.sent.hex();
    channel.queue.push_back({MessageKind::Text, pool_.copy_of(as_byte_view(checksum))});
    bulk.checksum_sent = true;
  }
}

void Service::flush(TimePoint now, ChannelId id, Channel& channel) {
  while (true) {
    if (channel.queue.empty()) make_more(channel);
    if (channel.queue.empty()) return;
    Pending& first = channel.queue.front();
    const auto sent = peer_.send(now, id, first.kind, std::move(first.payload));
    if (!sent && sent.error() == datachannel::SendError::WouldBlock) return;
    if (!sent && sent.error() == datachannel::SendError::TooLarge) throw std::runtime_error("a message was too large");
    channel.queue.pop_front();
  }
}

}  // namespace isotube::interop
