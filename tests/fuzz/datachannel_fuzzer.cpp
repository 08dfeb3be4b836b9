// USES datachannel
//
// The channels of an association that reports anything in any order: DCEP of any bytes, messages, resets, refusals and
// its end, between opens, sends and closes of the user. Checks what is promised of every event.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <utility>

#include "datachannel/channels.hpp"
#include "datachannel/dcep.hpp"

namespace {

using namespace isotube;
using datachannel::ChannelId;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::size_t kMaxChannels = 4;

class Session {
 public:
  explicit Session(ByteView script)
      : script_(script),
        association_(sctp::Settings{}, Random(Random::Seed{}), pool_),
        channels_(settings(), association_, pool_) {
    channels_.set_parity(datachannel::Parity::Even);
    association_.connect(now_);
  }

  void run() {
    while (script_.remaining() > 0) {
      step();
      drain();
    }
  }

 private:
  static datachannel::Settings settings() {
    datachannel::Settings settings;
    settings.max_channels = kMaxChannels;
    settings.max_label = 16;
    return settings;
  }

  void step() {
    switch (script_.u8() % 12) {
      case 0:
        return open(std::nullopt);
      case 1:
        return open(id());
      case 2:
        return send();
      case 3:
        return channels_.close(now_, id());
      case 4:
        return message(50);
      case 5:
        return message(51 + script_.u8() % 8);
      case 6:
        return channels_.handle_event(now_, sctp::IncomingStreamsReset{{stream()}});
      case 7:
        return channels_.handle_event(now_, sctp::OutgoingStreamsReset{{stream()}});
      case 8:
        return channels_.handle_event(now_, sctp::OutgoingResetRefused{{stream()}});
      case 9:
        return channels_.handle_event(now_, sctp::BufferedAmountLow{stream()});
      case 10:
        return peer_opens();
      default:
        // Rare, because nothing follows it.
        if (script_.u8() == 0xFF) channels_.handle_event(now_, sctp::Closed{sctp::CloseReason::Lost, {}});
        return;
    }
  }

  ChannelId id() { return ChannelId{static_cast<std::uint16_t>(script_.u8() % 12)}; }
  sctp::StreamId stream() { return sctp::StreamId{std::to_underlying(id())}; }

  void open(std::optional<ChannelId> negotiated) {
    datachannel::ChannelConfig config;
    config.negotiated = negotiated;
    config.ordered = script_.u8() % 2 == 0;
    const auto opened = channels_.open(now_, config);
    if (opened) require(live_.insert(*opened).second);
  }

  void send() {
    const ChannelId channel = id();
    Buffer payload = pool_.copy_of(script_.bytes(script_.u8() % 4));
    const std::size_t size = payload.size();
    const auto sent = channels_.send(now_, channel, datachannel::MessageKind::Text, std::move(payload));
    require(sent ? live_.contains(channel) : payload.size() == size);
  }

  void message(std::uint32_t ppid) {
    const sctp::StreamId channel = stream();
    const std::size_t length = script_.u8() % 64;
    Buffer payload = pool_.copy_of(script_.bytes(std::min(length, script_.remaining())));
    channels_.handle_event(now_, sctp::MessageReceived{channel, sctp::Ppid{ppid}, true, std::move(payload)});
  }

  void peer_opens() {
    datachannel::ChannelConfig config;
    config.ordered = false;
    const sctp::StreamId channel = stream();
    channels_.handle_event(
        now_, sctp::MessageReceived{channel, sctp::Ppid{50}, true, datachannel::open_message(pool_, config)});
  }

  void drain() {
    while (auto event = channels_.poll_event()) {
      std::visit([this](const auto& each) { check(each); }, *event);
    }
    require(channels_.count() == live_.size() && live_.size() <= kMaxChannels);
  }

  void check(const datachannel::Opened& event) { require(live_.contains(event.channel)); }
  void check(const datachannel::OpenedByPeer& event) { require(live_.insert(event.channel).second); }
  void check(const datachannel::Message& event) { require(live_.contains(event.channel)); }
  void check(const datachannel::BufferedAmountLow& event) { require(live_.contains(event.channel)); }
  void check(const datachannel::Closed& event) { require(live_.erase(event.channel) == 1); }

  ByteReader script_;
  TimePoint now_{};
  BufferPool pool_;
  sctp::Association association_;
  datachannel::Channels channels_;
  std::set<ChannelId> live_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session(std::as_bytes(std::span(data, size))).run();
  return 0;
}
