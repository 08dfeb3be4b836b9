// One way to a server, as a TURN client has it: a UDP socket of its own, a TCP or a TLS connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "runtime/runtime.hpp"
#include "runtime/tls_trust.hpp"

namespace isotube::runtime {

/// Legal steps: opened, then received and writable any number of times; failed at any time until close(); closed after
/// close(). `failed` and `closed` are final, and only one of them comes. Opening takes as long as the server and the
/// kernel let it: whoever opens has the deadline.
///
/// Over UDP the server is the only one heard, and "nobody listens there" (ICMP) is a failure only until something was
/// heard: later, only an answer that stays out says that a server is gone.
///
///   flow_ = Flow::open(strand, {Flow::Transport::Tls, address, "relay.example"}, trust, {.opened = …, .failed = …});
///
/// Ownership: one tube's, used on its strand only. Destroyed, even from within a callback, it closes at once and calls
/// nothing any more; callbacks should hold their owner weakly.
class Flow {
 public:
  enum class Transport : std::uint8_t { Udp, Tcp, Tls };

  struct Server {
    Transport transport = Transport::Udp;
    Address address;
    /// For Tls: the host name or IP address that the certificate must be for. Empty: the address itself.
    std::string name;
  };

  /// All are called on the strand and never from within a call of this class; all must be set. One that throws ends the
  /// flow with `failed`.
  struct Callbacks {
    /// Ready to send. `local` is the end on this machine.
    std::function<void(const Address& local)> opened;
    /// It could not be opened, or broke. `reason` is for people: "connection refused by 192.0.2.1:3478".
    std::function<void(const std::string& reason)> failed;
    /// What came: datagrams over UDP, else consecutive pieces of the stream. Valid during the call only. A turn brings
    /// about 256 datagrams or 256 KiB at most, in one call or several; the rest waits behind other tubes' turns.
    std::function<void(std::span<const ByteView> pieces)> received;
    /// After Blocked: there is room again.
    std::function<void()> writable;
    /// After close(): what was sent has left, or was given up after 1 s. The local port is free.
    std::function<void()> closed;
  };

  enum class SendResult : std::uint8_t {
    Done,     ///< taken; over UDP sent, or dropped as UDP may
    Blocked,  ///< taken too, but the queue is full: what is sent before `writable` is dropped
  };

  struct Counters {
    /// Datagrams that the kernel would not send, and calls of send() that came while blocked or not open.
    std::uint64_t dropped = 0;
    /// ICMP said that nobody listens at the server's port.
    std::uint64_t refused = 0;
  };

  /// Over TCP and TLS, what may wait to be sent before send() says Blocked.
  static constexpr std::size_t kQueueLimit = std::size_t{256} << 10;

  class Way;

  /// `trust` is used for Tls only.
  [[nodiscard]] static Flow open(const Strand& strand, Server server, TlsTrust trust, Callbacks callbacks);

  Flow(Flow&&) noexcept = default;
  Flow& operator=(Flow&& other) noexcept;
  ~Flow();

  /// Over UDP: datagrams that lie end to end in `bytes`, each `segment_size` long but the last, which may be shorter;
  /// at most 64, at most 65,507 bytes. Over TCP and TLS: whole frames, kQueueLimit bytes at most, taken wholly or not
  /// at all; what a turn sends leaves together, after it.
  SendResult send(ByteView bytes, std::size_t segment_size);
  [[nodiscard]] bool blocked() const;
  /// Sends what was taken before, says goodbye on TCP and TLS, and ends in `closed`. Nothing is received any more.
  void close();

  /// As they stand: they end with the flow.
  [[nodiscard]] Counters counters() const;

 private:
  explicit Flow(std::shared_ptr<Way> way);

  std::shared_ptr<Way> way_;
};

[[nodiscard]] std::string_view to_string(Flow::Transport transport);

}  // namespace isotube::runtime
