// A tube's UDP socket: datagrams in batches both ways, with segmentation done by the kernel where it can.
#pragma once

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <utility>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"
#include "runtime/runtime.hpp"

namespace isotube::runtime {

enum class Family : std::uint8_t { V4, V6 };

/// Both ends included.
struct PortRange {
  std::uint16_t low = 0;
  std::uint16_t high = 0;
};

/// One received datagram. `bytes` lie in memory of the worker thread.
struct Datagram {
  Path path;
  ByteView bytes;
};

/// Bound to the wildcard address of one family. Each datagram tells the local address that it came to, and is sent
/// from the local address that its path names, so that one socket serves all interfaces (UDP_GRO and UDP_SEGMENT:
/// udp(7); IP_PKTINFO: ip(7)).
///
/// Errors that ICMP brings back are about one remote address, so they never stop the socket: UDP may lose a datagram,
/// and consent checks (RFC 7675) tell whether a path still works.
/// Ownership: one tube's, used on its strand only. Closes with its destruction; waits end with operation_aborted.
class UdpSocket {
 public:
  enum class OpenError : std::uint8_t {
    FamilyUnavailable,  ///< this machine does not speak it
    NoDescriptor,       ///< the process or the machine has no more
    PortsExhausted,     ///< every port of the range (or of the machine) is taken
    Refused,            ///< whatever else the kernel says
  };

  enum class SendResult : std::uint8_t {
    Done,     ///< sent, or dropped as UDP may
    Blocked,  ///< the rest is kept here and goes first: send no more until flush() says Done
  };

  struct Counters {
    std::uint64_t datagrams_dropped = 0;  ///< the kernel would not send them
    std::uint64_t receive_errors = 0;
    std::uint64_t refused = 0;  ///< connected: ICMP said that nobody listens there
    std::uint64_t receive_calls = 0;
    std::uint64_t send_calls = 0;
  };

  /// `random` chooses where in the range the search begins.
  [[nodiscard]] static std::expected<UdpSocket, OpenError> open(const Strand& strand, Family family,
                                                                std::optional<PortRange> ports, Random& random);
  UdpSocket(UdpSocket&&) = default;
  UdpSocket& operator=(UdpSocket&&) = delete;

  /// From now on all goes to `remote`, whatever path is given, and only what comes from there is received. Gives the
  /// local address, which stays as it is.
  [[nodiscard]] std::expected<Address, boost::system::error_code> connect(const Address& remote);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

  /// One system call's worth of datagrams, about `max_bytes` at most; none when there are none. They stay valid until
  /// the next receive() of any socket on this thread.
  [[nodiscard]] std::span<const Datagram> receive(std::size_t max_bytes);

  /// Sends datagrams of one path that lie end to end in `bytes`, each `segment_size` long but the last, which may be
  /// shorter; at most 64, at most 65,507 bytes. Not to be called while blocked().
  SendResult send(const Path& path, ByteView bytes, std::size_t segment_size);
  /// Sends what was kept.
  SendResult flush();
  [[nodiscard]] bool blocked() const { return !kept_.empty(); }

  /// Calls `handler(error)` once when there is something to receive.
  template <typename Handler>
  void wait_readable(Handler&& handler) {
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, std::forward<Handler>(handler));
  }
  /// Calls `handler(error)` once when flush() may work.
  template <typename Handler>
  void wait_writable(Handler&& handler) {
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write, std::forward<Handler>(handler));
  }

 private:
  UdpSocket(boost::asio::posix::stream_descriptor descriptor, Family family, std::uint16_t port);

  /// How many of `bytes` are done with, whether sent or dropped: all, or those before the kernel's buffer was full.
  [[nodiscard]] std::size_t send_now(const Path& path, ByteView bytes, std::size_t segment_size);
  [[nodiscard]] std::optional<std::size_t> send_segmented(const Path& path, ByteView bytes, std::size_t segment_size);
  [[nodiscard]] std::size_t send_one_by_one(const Path& path, ByteView bytes, std::size_t segment_size);

  boost::asio::posix::stream_descriptor descriptor_;
  Family family_;
  std::uint16_t port_;
  bool connected_ = false;
  bool segmentation_ = true;
  /// The longest message of late, for how many fit into the bytes that a turn has left.
  std::size_t usual_message_ = 2048;
  Bytes kept_;
  Path kept_path_;
  std::size_t kept_segment_size_ = 0;
  Counters counters_;
};

}  // namespace isotube::runtime
