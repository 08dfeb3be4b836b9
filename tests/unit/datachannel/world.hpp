// One side's channels over a stand-in association, and the peer as the test plays it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>
#include <utility>

#include "association_stand_in.hpp"
#include "datachannel/channels.hpp"
#include "datachannel/dcep.hpp"
#include "datachannel/ppid.hpp"

namespace isotube::datachannel {

struct World {
  explicit World(Parity parity = Parity::Even, Settings settings = {})
      : association(sctp::Settings{}, Random(Random::Seed{}), pool), channels(settings, association, pool) {
    channels.set_parity(parity);
  }

  sctp::StandIn& wire() { return sctp::stand_in_of(association); }

  ChannelId open(const ChannelConfig& config = {}) {
    const auto id = channels.open(now, config);
    EXPECT_TRUE(id);
    return id.value_or(ChannelId{0xFFFF});
  }

  std::expected<void, SendError> send(ChannelId id, std::string_view text, MessageKind kind = MessageKind::Text) {
    return channels.send(now, id, kind, pool.copy_of(as_byte_view(text)));
  }

  void receive(ChannelId id, sctp::Ppid ppid, ByteView message) {
    channels.handle_event(now, sctp::MessageReceived{stream(id), ppid, true, pool.copy_of(message)});
  }
  void receive_text(ChannelId id, std::string_view text) { receive(id, kText, as_byte_view(text)); }
  void receive_open(ChannelId id, const ChannelConfig& config = {}) {
    receive(id, kControl, open_message(pool, config).view());
  }
  void receive_ack(ChannelId id) { receive(id, kControl, ack_message(pool).view()); }
  void peer_resets(ChannelId id) { channels.handle_event(now, sctp::IncomingStreamsReset{{stream(id)}}); }
  void reset_is_confirmed(ChannelId id) { channels.handle_event(now, sctp::OutgoingStreamsReset{{stream(id)}}); }
  void reset_is_refused(ChannelId id) { channels.handle_event(now, sctp::OutgoingResetRefused{{stream(id)}}); }
  void drains(ChannelId id) { channels.handle_event(now, sctp::BufferedAmountLow{stream(id)}); }

  /// The next event, which must be an `E`.
  template <typename E>
  E expect() {
    auto event = channels.poll_event();
    if (event && std::holds_alternative<E>(*event)) return std::get<E>(std::move(*event));
    ADD_FAILURE() << (event ? "another event came, of index " + std::to_string(event->index()) : "no event came");
    return E{};
  }
  void expect_nothing() {
    const auto event = channels.poll_event();
    EXPECT_FALSE(event) << "an event came, of index " << event->index();
  }

  static sctp::StreamId stream(ChannelId id) { return sctp::StreamId{std::to_underlying(id)}; }

  TimePoint now{};
  BufferPool pool;
  sctp::Association association;
  Channels channels;
};

inline ChannelId id_of(int number) { return ChannelId{static_cast<std::uint16_t>(number)}; }

}  // namespace isotube::datachannel
