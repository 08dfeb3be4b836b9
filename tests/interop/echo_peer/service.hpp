// What the examiner of tests/interop/peers/exam.mjs finds at the other end: channels that echo, take commands, or send
// and receive in bulk with checksums. The labels are described there.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/buffer.hpp"
#include "peer/peer.hpp"

namespace isotube::interop {

struct Limits {
  std::size_t message_size = 65'536;
  std::uint16_t negotiated_id = 100;
};

class Sha256 {
 public:
  Sha256();
  void add(ByteView bytes);
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

class Service {
 public:
  Service(peer::Peer& peer, BufferPool& pool) : peer_(peer), pool_(pool) {}

  void set_limits(const Limits& limits) { limits_ = limits; }
  /// Throws std::runtime_error for what the examiner should hear of.
  void handle_event(TimePoint now, peer::Event&& event);

 private:
  using ChannelId = datachannel::ChannelId;
  using MessageKind = datachannel::MessageKind;

  struct Pending {
    MessageKind kind;
    Buffer payload;
  };
  /// A bulk transfer: what is still to be made and sent, and the checksums of both directions.
  struct Bulk {
    std::size_t to_send = 0;
    std::uint32_t random = 0x5eed;
    bool checksum_sent = false;
    Sha256 sent, received;
  };
  struct Channel {
    std::string label;
    std::deque<Pending> queue;
    std::optional<Bulk> bulk;
  };

  void on_connected(TimePoint now);
  void on_message(TimePoint now, datachannel::Message&& message);
  void on_command(TimePoint now, std::string_view command);
  void on_bulk(TimePoint now, ChannelId id, Channel& channel, const datachannel::Message& message);
  void open(TimePoint now, const datachannel::ChannelConfig& config);
  void enqueue(TimePoint now, ChannelId id, Channel& channel, MessageKind kind, Buffer&& payload);
  void enqueue_text(TimePoint now, ChannelId id, Channel& channel, std::string_view text);
  void flush(TimePoint now, ChannelId id, Channel& channel);
  void make_more(Channel& channel);

  peer::Peer& peer_;
  BufferPool& pool_;
  Limits limits_;
  std::map<ChannelId, Channel> channels_;
};

}  // namespace isotube::interop
