// SCTP packets and chunks on the wire (RFC 9260 3, RFC 8260 2, RFC 3758 3, RFC 6525 3 and 4): reading and writing.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   |       Source Port             |       Destination Port        |
//   |                       Verification Tag                        |
//   |                   Checksum (CRC32c, little-endian)            |
//   then chunks: type u8, flags u8, length u16 (header included), value, padding to 4 bytes.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "sctp/association.hpp"

namespace isotube::sctp {

inline constexpr std::size_t kPacketHeaderSize = 12;
inline constexpr std::size_t kChunkHeaderSize = 4;
inline constexpr std::size_t kDataHeaderSize = 16;   ///< chunk header included
inline constexpr std::size_t kIDataHeaderSize = 20;  ///< likewise

[[nodiscard]] constexpr std::size_t padded(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

enum class ChunkType : std::uint8_t {
  Data = 0,
  Init = 1,
  InitAck = 2,
  Sack = 3,
  Heartbeat = 4,
  HeartbeatAck = 5,
  Abort = 6,
  Shutdown = 7,
  ShutdownAck = 8,
  Error = 9,
  CookieEcho = 10,
  CookieAck = 11,
  ShutdownComplete = 14,
  IData = 64,
  ReConfig = 130,
  Pad = 132,
  ForwardTsn = 192,
  IForwardTsn = 194,
};

struct PacketHeader {
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t verification_tag = 0;
};

struct ChunkView {
  ChunkType type{};
  std::uint8_t flags = 0;
  ByteView value;  ///< without header and padding
};

enum class PacketError : std::uint8_t { TooShort, BadChecksum };

/// A packet whose checksum is right, and its chunks one by one.
class PacketReader {
 public:
  [[nodiscard]] static std::expected<PacketReader, PacketError> open(ByteView packet);

  [[nodiscard]] const PacketHeader& header() const { return header_; }
  /// The next chunk; nothing at the end or where a length can't be right (then malformed() is true).
  [[nodiscard]] std::optional<ChunkView> next();
  [[nodiscard]] bool malformed() const { return malformed_; }

 private:
  PacketReader(const PacketHeader& header, ByteView rest) : header_(header), rest_(rest) {}

  PacketHeader header_;
  ByteView rest_;
  bool malformed_ = false;
};

/// Extensions that a side announces in INIT and INIT ACK (RFC 5061 4.2.7, RFC 3758 3.1).
struct Extensions {
  bool partial_reliability = false;
  bool stream_reset = false;
  bool interleaving = false;

  friend bool operator==(const Extensions&, const Extensions&) = default;
};

/// The body of INIT and INIT ACK.
struct InitChunk {
  std::uint32_t initiate_tag = 0;
  std::uint32_t a_rwnd = 0;
  std::uint16_t outbound_streams = 0;
  std::uint16_t inbound_streams = 0;
  std::uint32_t initial_tsn = 0;
  Extensions extensions;
  ByteView cookie;                     ///< INIT ACK only
  std::vector<ByteView> unrecognized;  ///< parameters to report back (RFC 9260 3.2.1), whole
};
[[nodiscard]] std::optional<InitChunk> parse_init(ByteView value);

/// The body of DATA and I-DATA.
struct DataChunk {
  std::uint32_t tsn = 0;
  StreamId stream{};
  bool begin = false;
  bool end = false;
  bool unordered = false;
  bool immediate = false;      ///< RFC 7053: acknowledge at once
  std::uint32_t message = 0;   ///< SSN of DATA (16 bits), MID of I-DATA
  std::uint32_t fragment = 0;  ///< FSN of I-DATA; 0 in its first fragment, where the wire has the PPID
  Ppid ppid{};                 ///< of I-DATA only in the first fragment
  ByteView payload;
};
[[nodiscard]] std::optional<DataChunk> parse_data(const ChunkView& chunk);

struct GapBlock {
  std::uint16_t start = 0;  ///< offsets from the cumulative TSN
  std::uint16_t end = 0;
};
struct SackChunk {
  std::uint32_t cumulative_tsn = 0;
  std::uint32_t a_rwnd = 0;
  std::vector<GapBlock> gaps;
};
/// Reuses `into`, since SACKs come by the thousand. False if the chunk is malformed.
[[nodiscard]] bool parse_sack(ByteView value, SackChunk& into);

/// One stream that FORWARD-TSN or I-FORWARD-TSN moves on.
struct SkippedStream {
  StreamId stream{};
  bool unordered = false;
  std::uint32_t message = 0;
};
struct ForwardTsnChunk {
  std::uint32_t new_cumulative_tsn = 0;
  std::vector<SkippedStream> streams;
};
[[nodiscard]] std::optional<ForwardTsnChunk> parse_forward_tsn(const ChunkView& chunk);

/// Parameters of RE-CONFIG (RFC 6525 4).
struct OutgoingResetRequest {
  std::uint32_t request = 0;
  std::uint32_t response = 0;
  std::uint32_t last_tsn = 0;
  std::vector<StreamId> streams;  ///< none means all
};
struct ReconfigResponse {
  std::uint32_t response = 0;
  std::uint32_t result = 0;
};
/// A request that we don't grant: resets of our streams by the peer, added streams, TSN resets.
struct OtherReconfigRequest {
  std::uint32_t request = 0;
};
using ReconfigParameter = std::variant<OutgoingResetRequest, ReconfigResponse, OtherReconfigRequest>;
[[nodiscard]] std::optional<std::vector<ReconfigParameter>> parse_reconfig(ByteView value);

/// Results of RE-CONFIG (RFC 6525 4.4).
namespace reconfig_result {
inline constexpr std::uint32_t kNothingToDo = 0;
inline constexpr std::uint32_t kPerformed = 1;
inline constexpr std::uint32_t kDenied = 2;
inline constexpr std::uint32_t kBadSequenceNumber = 5;
inline constexpr std::uint32_t kInProgress = 6;
}  // namespace reconfig_result

/// Error causes (RFC 9260 3.3.10) that we send or act on.
namespace error_cause {
inline constexpr std::uint16_t kInvalidStream = 1;
inline constexpr std::uint16_t kStaleCookie = 3;
inline constexpr std::uint16_t kUnrecognizedChunk = 6;
inline constexpr std::uint16_t kNoUserData = 9;
inline constexpr std::uint16_t kUserInitiatedAbort = 12;
inline constexpr std::uint16_t kProtocolViolation = 13;
}  // namespace error_cause

/// Whole chunks, unpadded.
[[nodiscard]] Bytes make_init(ChunkType type, const InitChunk& init);
[[nodiscard]] Bytes make_chunk(ChunkType type, std::uint8_t flags, ByteView value = {});
[[nodiscard]] Bytes make_abort(std::uint16_t cause, std::string_view reason);
[[nodiscard]] Bytes make_error(std::uint16_t cause, ByteView info);
[[nodiscard]] Bytes make_outgoing_reset(const OutgoingResetRequest& request);
[[nodiscard]] Bytes make_reconfig_response(const ReconfigResponse& response);
[[nodiscard]] Bytes make_forward_tsn(ChunkType type, const ForwardTsnChunk& forward);

void write_packet_header(SpanWriter& out, const PacketHeader& header);
/// Puts the checksum into a packet that is complete otherwise.
void seal_packet(MutableByteView packet);
void write_chunk(SpanWriter& out, ByteView chunk);
/// `type` is Data or IData; the payload is copied and padded.
void write_data(SpanWriter& out, ChunkType type, const DataChunk& data);

}  // namespace isotube::sctp
