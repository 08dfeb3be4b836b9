// One session whose peer is the test: hand-written frames go in, words come out.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "tunnel/session.hpp"
#include "unit/tunnel/wording.hpp"

namespace isotube::tunnel {

inline constexpr ChannelId kData{0};
inline constexpr ChannelId kControlChannel{2};
inline constexpr ChannelId kOtherData{4};

[[nodiscard]] inline Bytes control_frame(const frame::Control& control) {
  BufferPool pool;
  return to_bytes(frame::make_control(pool, control, 0).view());
}
[[nodiscard]] inline Bytes data_frame(std::uint32_t conn_no, std::string_view payload) {
  Bytes bytes;
  BytesWriter writer(bytes);
  writer.u32(conn_no);
  writer.u64(0);
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.bytes(as_byte_view(payload));
  writer.u8(0x3B);
  return bytes;
}
[[nodiscard]] inline Bytes hello(std::uint32_t capabilities = frame::kCapabilityCredit, std::uint16_t version = 1) {
  return control_frame(frame::Hello{version, capabilities});
}
[[nodiscard]] inline Bytes open_frame(std::uint32_t conn_no, std::optional<Target> target = Target{"host", 80}) {
  return control_frame(frame::OpenConnection{ConnNo{conn_no}, std::move(target)});
}
[[nodiscard]] inline Bytes opened_frame(std::uint32_t conn_no) {
  return control_frame(frame::ConnectionOpened{ConnNo{conn_no}});
}
[[nodiscard]] inline Bytes eof_frame(std::uint32_t conn_no) { return control_frame(frame::SendEof{ConnNo{conn_no}}); }
[[nodiscard]] inline Bytes close_frame(std::uint32_t conn_no, CloseReason reason, std::string_view message = {}) {
  return control_frame(frame::CloseConnection{ConnNo{conn_no}, reason, message});
}
[[nodiscard]] inline Bytes window_frame(std::uint32_t conn_no, std::uint32_t credit) {
  return control_frame(frame::WindowUpdate{ConnNo{conn_no}, credit});
}
[[nodiscard]] inline Bytes ping_frame(std::uint32_t conn_no, std::string_view echo) {
  return control_frame(frame::Ping{ConnNo{conn_no}, as_byte_view(echo)});
}
[[nodiscard]] inline Bytes pong_frame(std::uint32_t conn_no, std::string_view echo) {
  return control_frame(frame::Pong{ConnNo{conn_no}, as_byte_view(echo)});
}

class Lone {
 public:
  explicit Lone(Side side, Settings settings = {}) : session_(std::move(settings), side, pool_) {}

  /// A session whose data channel is open and whose peer said Hello; both Hellos are out of the way.
  static void greet(Lone& lone, std::uint32_t capabilities = frame::kCapabilityCredit) {
    lone.open_channel();
    lone.receive({hello(capabilities)});
    EXPECT_THAT(lone.sent(), testing::ElementsAre("Hello 1 1"));
    EXPECT_THAT(lone.events(), testing::IsEmpty());
  }

  Session* operator->() { return &session_; }
  TimePoint now{};

  void open_channel(ChannelId channel = kData, std::string_view label = "random") {
    session_.handle_channel_open(now, channel, label);
  }
  void open_control() { open_channel(kControlChannel, "control"); }
  /// All `frames` as one message.
  void receive(std::initializer_list<Bytes> frames, ChannelId channel = kData) {
    Bytes message;
    for (const Bytes& frame : frames) message.insert(message.end(), frame.begin(), frame.end());
    session_.handle_message(now, channel, pool_.copy_of(message));
  }
  void write(std::uint32_t conn_no, std::string_view payload) {
    Buffer buffer = pool_.acquire(kHeadroom, payload.size() + frame::kTrailerSize);
    buffer.append(as_byte_view(payload));
    session_.write(now, ConnNo{conn_no}, std::move(buffer));
  }

  /// Every message that waits, in words; those on another channel than kData begin with its name.
  std::vector<std::string> sent() {
    std::vector<std::string> messages;
    while (auto transmit = session_.poll_transmit()) {
      const std::string_view name = transmit->channel == kControlChannel ? "control: "
                                    : transmit->channel == kOtherData    ? "other: "
                                                                         : "";
      messages.push_back(std::string(name) + in_words(transmit->message.view()));
    }
    return messages;
  }
  std::vector<std::string> events() {
    std::vector<std::string> words;
    while (auto event = session_.poll_event()) words.push_back(in_words(*event));
    return words;
  }
  BufferPool& pool() { return pool_; }

 private:
  BufferPool pool_;
  Session session_;
};

}  // namespace isotube::tunnel
