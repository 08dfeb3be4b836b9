// libusrsctp as the other end of an association: in memory (AF_CONN), without threads, in virtual time.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

struct socket;  // of the library; a function of the system has the same name

namespace isotube::usrsctp {

using Socket = struct ::socket;

/// What one received message or notification said.
struct Received {
  std::uint16_t stream = 0;
  std::uint32_t ppid = 0;
  bool ordered = true;
  Bytes bytes;
};

struct Limits {
  std::uint32_t retransmissions = 0;
  std::uint32_t lifetime_ms = 0;
  bool limit_retransmissions = false;
  bool limit_lifetime = false;
};

/// The library's state is one for the whole process: peers live one after the other.
class Peer {
 public:
  struct Options {
    bool interleaving = false;
    /// With interleaving it must hold an unfinished message of every stream: usrsctp with a full buffer also refuses
    /// the chunk that would finish one, and then nothing moves any more.
    std::uint32_t receive_buffer = 4 << 20;
  };

  explicit Peer(const Options& options);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void connect();
  void listen();
  /// One packet from the network.
  void handle_packet(ByteView packet);
  /// Takes what the library has to say: messages and notifications.
  void drain();
  /// False: the library's buffer is full for now.
  [[nodiscard]] bool send(std::uint16_t stream, bool ordered, std::uint32_t ppid, ByteView bytes,
                          const Limits& limits = {});
  void reset_outgoing(std::uint16_t stream);
  void shutdown();
  void abort();

  bool is_connected = false;
  bool is_closed = false;  ///< in good order
  bool is_lost = false;
  std::vector<Received> messages;
  std::vector<std::uint16_t> incoming_reset;
  std::vector<std::uint16_t> outgoing_reset;
  std::vector<Bytes> to_send;  ///< packets for the network

 private:
  void set_up(Socket* socket) const;
  void receive(Socket* socket);
  void on_notification(ByteView bytes);

  Options options_;
  Socket* listening_ = nullptr;
  Socket* socket_ = nullptr;
  /// Parts of messages by stream and order, until their end comes.
  std::map<std::pair<std::uint16_t, bool>, Bytes> partial_;
};

/// Lets virtual time pass for the library.
void advance(Duration elapsed);

}  // namespace isotube::usrsctp
