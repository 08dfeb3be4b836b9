// Datagrams on their way to one sendmsg.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "peer/relay_events.hpp"

namespace isotube::peer {

/// Datagrams of one path or one flow and of one length (but the last, which may be shorter), laid end to end: what one
/// sendmsg with UDP segmentation takes. 64 KiB large: owned by the driver (one for each worker) and reused from call to
/// call.
class TransmitBatch {
 public:
  /// What older kernels take in one UDP_SEGMENT send.
  static constexpr std::size_t kMaxSegments = 64;
  /// The largest UDP payload over IPv4, which segments together must not exceed.
  static constexpr std::size_t kMaxBytes = 65'507;

  [[nodiscard]] const Path& path() const { return path_; }
  /// Set if these go to a TURN server, framed for it: then the path is what the server is to make of them, if anything.
  [[nodiscard]] const std::optional<FlowId>& flow() const { return flow_; }
  [[nodiscard]] ByteView bytes() const { return ByteView(storage_).first(size_); }
  [[nodiscard]] std::size_t segment_size() const { return segment_size_; }
  [[nodiscard]] std::size_t segments() const { return segments_; }
  [[nodiscard]] bool empty() const { return segments_ == 0; }

  /// Empties the batch for datagrams to `path`, through `flow` if there is one.
  void begin(const Path& path, std::optional<FlowId> flow = std::nullopt);
  /// True if one more datagram of up to `largest_datagram` bytes has room.
  [[nodiscard]] bool takes(std::size_t largest_datagram) const;
  /// Where the next datagram is written.
  [[nodiscard]] MutableByteView room() { return MutableByteView(storage_).subspan(size_); }
  /// Counts the datagram just written to room(). False if it is longer than those before: then it stays out of the
  /// batch, still readable at the start of room(), and must open another one.
  [[nodiscard]] bool commit(std::size_t datagram_size);
  /// room() and commit() for a datagram that exists already.
  bool append(ByteView datagram);

 private:
  Path path_;
  std::optional<FlowId> flow_;
  std::array<std::byte, kMaxBytes> storage_;
  std::size_t size_ = 0;
  std::size_t segment_size_ = 0;
  std::size_t segments_ = 0;
};

}  // namespace isotube::peer
