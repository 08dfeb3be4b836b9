// USES tunnel
//
// One session from every state that a connection can be in: what the driver asks for and what the peer sends, in any
// order. A model of the driver checks every event, and that every message that goes out is whole and within the limit.
//
// Input: one byte of options (enum Option), then commands: one byte of Command, and what that reads (see do_next()).
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "tunnel/session.hpp"

namespace isotube::tunnel {
namespace {

constexpr ChannelId kData{0};
constexpr ChannelId kControl{2};
constexpr ChannelId kOther{4};
constexpr std::size_t kPeerMaxMessage = 400;

enum Option : std::uint8_t {
  kOfferer = 0x01,
  kPrepared = 0x02,     ///< begin with connections in every state
  kNoCredit = 0x04,     ///< with kPrepared: the peer's Hello is without
  kControlOpen = 0x08,  ///< a `control` channel is open
  kFixedTarget = 0x10,
  kPeerMayNotOpen = 0x20,
  kRoomyCredit = 0x40,  ///< the protocol's credit instead of one that runs out at once
};

enum class Command : std::uint8_t {
  RawMessage,
  Frames,
  Open,
  Accept,
  Write,
  WriteEof,
  Consume,
  DeliveredEof,
  Close,
  Ping,
  RequestRestart,
  CloseTube,
  ChannelOpen,
  ChannelClosed,
  Timeout,
  Text,
  Count
};

void check(bool holds) {
  if (!holds) std::abort();
}

/// What the driver knows of a connection that has not ended.
struct Known {
  bool opened_by_us = false;
  bool opened = false;
  bool eof = false;
  std::size_t unconsumed = 0;
};

Settings settings_of(std::uint8_t options) {
  Settings settings{.peer_max_message = kPeerMaxMessage, .max_connections = 16, .max_queued_control = 4096};
  if ((options & kRoomyCredit) == 0) {
    settings.initial_credit = 8;
    settings.credit_grant = 4;
    settings.uncredited_limit = 64;
    settings.credit_budget = 16 * 8;
    settings.max_message = 600;
  }
  if ((options & kFixedTarget) != 0) settings.fixed_target = Target{"fixed", 1};
  settings.peer_may_open = (options & kPeerMayNotOpen) == 0;
  settings.highest_number = 64;
  return settings;
}

class Run {
 public:
  explicit Run(ByteView input)
      : reader_(input),
        options_(reader_.u8()),
        session_(settings_of(options_), (options_ & kOfferer) != 0 ? Side::Offerer : Side::Answerer, pool_) {}

  void run() {
    session_.handle_channel_open(now_, kData, "data");
    if ((options_ & kControlOpen) != 0) session_.handle_channel_open(now_, kControl, "control");
    drain();
    if ((options_ & kPrepared) != 0) prepare();
    while (reader_.remaining() > 0) {
      do_next();
      drain();
    }
    session_.close_tube(now_, CloseReason::Client);
    drain();
    session_.handle_timeout(session_.next_timeout());
    drain();
    check(tube_closed_ && known_.empty() && session_.connections() == 0 && session_.numbers_in_use() == 0);
    check(session_.next_timeout() == kNever);
  }

 private:
  /// Four connections from each side: asked for, open, half closed by us, half closed by the peer.
  void prepare() {
    receive(kData, frame::Hello{1, (options_ & kNoCredit) != 0 ? 0 : frame::kCapabilityCredit});
    const std::optional<Target> target =
        (options_ & kFixedTarget) != 0 ? std::nullopt : std::optional(Target{"host", 80});
    const std::uint32_t first_theirs = (options_ & kOfferer) != 0 ? 2 : 1;
    for (std::uint32_t i = 0; i < 4; ++i) {
      open(target);
      const ConnNo theirs{first_theirs + 2 * i};
      receive(kData, frame::OpenConnection{theirs, target});
    }
    std::uint32_t position = 0;
    const auto known = known_;
    for (const auto& [conn_no, connection] : known) {
      if (position >= 2) {
        if (connection.opened_by_us) receive(kData, frame::ConnectionOpened{conn_no});
        session_.accept(now_, conn_no);
      }
      if (position >= 4 && position < 6) session_.write_eof(now_, conn_no);
      if (position >= 6) receive(kData, frame::SendEof{conn_no});
      ++position;
      drain();
    }
  }

  void do_next() {
    const auto command = static_cast<Command>(reader_.u8() % static_cast<std::uint8_t>(Command::Count));
    switch (command) {
      case Command::RawMessage: {
        const ChannelId channel = read_channel();
        receive(channel, reader_.bytes(std::min<std::size_t>(reader_.u16(), reader_.remaining())));
        break;
      }
      case Command::Frames:
        receive_frames();
        break;
      case Command::Open:
        open(read_target());
        break;
      case Command::Accept:
        session_.accept(now_, read_number());
        break;
      case Command::Write:
        write(read_number(), reader_.u8());
        break;
      case Command::WriteEof:
        write_eof(read_number());
        break;
      case Command::Consume:
        consume(read_number(), reader_.u8());
        break;
      case Command::DeliveredEof:
        session_.delivered_eof(now_, read_number());
        break;
      case Command::Close: {
        const ConnNo conn_no = read_number();
        session_.close(now_, conn_no, read_reason(), read_text());
        break;
      }
      case Command::Ping: {
        const ConnNo conn_no = read_number();
        session_.ping(now_, conn_no, as_byte_view(read_text()));
        break;
      }
      case Command::RequestRestart:
        session_.request_restart(now_);
        break;
      case Command::CloseTube:
        session_.close_tube(now_, read_reason());
        break;
      case Command::ChannelOpen: {
        const ChannelId channel = read_channel();
        session_.handle_channel_open(now_, channel, channel == kControl ? "control" : "data");
        break;
      }
      case Command::ChannelClosed:
        session_.handle_channel_closed(now_, read_channel());
        break;
      case Command::Timeout:
        now_ += std::chrono::milliseconds(reader_.u8() * 10);
        session_.handle_timeout(now_);
        break;
      case Command::Text:
        session_.handle_text_message(now_, read_channel());
        break;
      case Command::Count:
        break;
    }
  }

  void open(const std::optional<Target>& target) {
    const auto opened = session_.open(now_, target);
    if (!opened) return;
    check(known_.emplace(*opened, Known{.opened_by_us = true}).second);
  }

  void write(ConnNo conn_no, std::size_t wanted) {
    const std::size_t size = std::min(wanted, session_.writable(conn_no));
    check(size == 0 || known_.contains(conn_no));
    Buffer payload = pool_.acquire(kHeadroom, size + frame::kTrailerSize);
    std::ranges::fill(payload.append(size), std::byte{0x3B});
    session_.write(now_, conn_no, std::move(payload));
  }

  void write_eof(ConnNo conn_no) {
    session_.write_eof(now_, conn_no);
    check(session_.writable(conn_no) == 0);
  }

  void consume(ConnNo conn_no, std::size_t wanted) {
    const auto known = known_.find(conn_no);
    if (known == known_.end()) return;
    const std::size_t size = std::min(wanted, known->second.unconsumed);
    known->second.unconsumed -= size;
    session_.consumed(now_, conn_no, size);
  }

  /// Well-formed frames in one message, so that inputs reach what lies behind the parser.
  void receive_frames() {
    const ChannelId channel = read_channel();
    Bytes message;
    for (int count = 1 + reader_.u8() % 4; count > 0; --count) {
      const Buffer frame = read_frame();
      message.insert(message.end(), frame.view().begin(), frame.view().end());
    }
    receive(channel, message);
  }

  Buffer read_frame() {
    const std::uint8_t kind = reader_.u8() % 12;
    const ConnNo conn_no = read_number();
    switch (kind) {
      case 0:
        return make(frame::Ping{conn_no, as_byte_view(read_text())});
      case 1:
        return make(frame::Pong{conn_no, as_byte_view(read_text())});
      case 2:
        return make(frame::OpenConnection{conn_no, read_target()});
      case 3: {
        const CloseReason reason = read_reason();
        return make(frame::CloseConnection{conn_no, reason, read_text()});
      }
      case 4:
        return make(frame::ConnectionOpened{conn_no});
      case 5:
        return make(frame::SendEof{conn_no});
      case 6:
        return make(frame::WindowUpdate{conn_no, reader_.u32()});
      case 7:
        return make(frame::Hello{reader_.u8(), reader_.u8()});
      case 8:
        return make(frame::RestartNeeded{});
      case 9:
        return make(frame::UnknownControl{reader_.u16()});
      default: {
        const std::size_t size = reader_.u8() % 80;
        Buffer payload = pool_.acquire(kHeadroom, size + frame::kTrailerSize);
        std::ranges::fill(payload.append(size), std::byte{0x3B});
        frame::enclose(payload, conn_no, 0);
        return payload;
      }
    }
  }

  Buffer make(const frame::Control& control) { return frame::make_control(pool_, control, 0); }
  void receive(ChannelId channel, const frame::Control& control) { receive(channel, make(control).view()); }
  void receive(ChannelId channel, ByteView message) {
    session_.handle_message(now_, channel, pool_.copy_of(message));
    drain();
  }

  ConnNo read_number() { return ConnNo{reader_.u8() % 20u}; }
  CloseReason read_reason() { return static_cast<CloseReason>(reader_.u8()); }
  ChannelId read_channel() { return std::array{kData, kData, kControl, kOther}[reader_.u8() % 4]; }
  std::string_view read_text() {
    return as_text(reader_.bytes(std::min<std::size_t>(reader_.u8(), reader_.remaining())));
  }
  std::optional<Target> read_target() {
    const std::string_view host = read_text();
    if (host.empty()) return std::nullopt;
    return Target{std::string(host), 80};
  }

  void drain() {
    while (auto event = session_.poll_event()) {
      check(!tube_closed_);
      std::visit([this](const auto& each) { take(each); }, *event);
    }
    while (auto transmit = session_.poll_transmit()) check_message(*transmit);
    check(session_.connections() == known_.size());
    check(session_.connections() <= session_.numbers_in_use() && session_.numbers_in_use() <= 5 * 16);
    for (const auto& [conn_no, connection] : known_) {
      check(session_.writable(conn_no) <= kPeerMaxMessage - frame::kOverhead);
      check(session_.channel_of(conn_no).has_value());
    }
  }

  void check_message(const Transmit& transmit) {
    ByteView rest = transmit.message.view();
    check(!rest.empty() && rest.size() <= kPeerMaxMessage);
    while (!rest.empty()) {
      const auto frame = frame::take_frame(rest, frame::kMaxFrame);
      check(frame.has_value());
      check(frame->conn_no == frame::kControl || transmit.channel != kControl);
      if (frame->conn_no == frame::kControl) check(frame::parse_control(frame->payload).has_value());
    }
  }

  void take(const OpenRequested& event) {
    check(event.conn_no != frame::kControl && known_.emplace(event.conn_no, Known{}).second);
  }
  void take(const ConnectionOpened& event) {
    Known& known = known_.at(event.conn_no);
    check(known.opened_by_us && !known.opened);
    known.opened = true;
  }
  void take(const Data& event) {
    Known& known = known_.at(event.conn_no);
    check(!known.eof && !event.payload.empty() && (known.opened || !known.opened_by_us));
    known.unconsumed += event.payload.size();
  }
  void take(const Eof& event) {
    Known& known = known_.at(event.conn_no);
    check(!known.eof);
    known.eof = true;
  }
  void take(const Writable& event) { check(known_.contains(event.conn_no)); }
  void take(const ConnectionClosed& event) { check(known_.erase(event.conn_no) == 1); }
  void take(const PongReceived&) {}
  void take(const RestartNeeded&) {}
  void take(const TubeClosed&) {
    check(known_.empty());
    tube_closed_ = true;
  }

  ByteReader reader_;
  std::uint8_t options_;
  BufferPool pool_;
  Session session_;
  TimePoint now_{};
  std::map<ConnNo, Known> known_;
  bool tube_closed_ = false;
};

}  // namespace
}  // namespace isotube::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  isotube::tunnel::Run(std::as_bytes(std::span(data, size))).run();
  return 0;
}
