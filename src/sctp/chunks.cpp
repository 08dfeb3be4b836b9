#include "sctp/chunks.hpp"

#include "sctp/crc32c.hpp"

namespace isotube::sctp {
namespace {

constexpr std::uint8_t kEndBit = 0x01;
constexpr std::uint8_t kBeginBit = 0x02;
constexpr std::uint8_t kUnorderedBit = 0x04;
constexpr std::uint8_t kImmediateBit = 0x08;
constexpr std::size_t kParameterHeaderSize = 4;

/// Parameter types (RFC 9260 3.3.2 and 3.3.3, RFC 6525 4, RFC 5061 4.2.7, RFC 3758 3.1).
namespace parameter_type {
constexpr std::uint16_t kStateCookie = 7;
constexpr std::uint16_t kOutgoingReset = 13;
constexpr std::uint16_t kIncomingReset = 14;
constexpr std::uint16_t kTsnReset = 15;
constexpr std::uint16_t kReconfigResponse = 16;
constexpr std::uint16_t kAddOutgoingStreams = 17;
constexpr std::uint16_t kAddIncomingStreams = 18;
constexpr std::uint16_t kSupportedExtensions = 0x8008;
constexpr std::uint16_t kForwardTsnSupported = 0xC000;
}  // namespace parameter_type

struct ParameterView {
  std::uint16_t type = 0;
  ByteView value;
  ByteView whole;
};

/// Takes the next type-length-value off `rest`. Nothing at the end, and where a length can't be right (then `rest` is
/// not empty).
std::optional<ParameterView> take_parameter(ByteView& rest) {
  ByteReader reader(rest);
  const std::uint16_t type = reader.u16();
  const std::uint16_t length = reader.u16();
  if (!reader.ok() || length < kParameterHeaderSize || length > rest.size()) return std::nullopt;
  const ParameterView parameter{type, rest.subspan(kParameterHeaderSize, length - kParameterHeaderSize),
                                rest.first(length)};
  rest = rest.subspan(std::min(padded(length), rest.size()));
  return parameter;
}

void read_extensions(ByteView chunk_types, Extensions& extensions) {
  for (const std::byte each : chunk_types) {
    switch (static_cast<ChunkType>(each)) {
      case ChunkType::ForwardTsn:
        extensions.partial_reliability = true;
        break;
      case ChunkType::ReConfig:
        extensions.stream_reset = true;
        break;
      case ChunkType::IData:
        extensions.interleaving = true;
        break;
      default:
        break;
    }
  }
}

/// RFC 9260 3.2.1: the upper two bits of an unknown parameter say what to do with it. False: stop here.
bool handle_unknown(const ParameterView& parameter, std::vector<ByteView>& unrecognized) {
  constexpr std::uint16_t kSkip = 0x8000;
  constexpr std::uint16_t kReport = 0x4000;
  constexpr std::size_t kMaxReported = 16;
  if ((parameter.type & kReport) != 0 && unrecognized.size() < kMaxReported) unrecognized.push_back(parameter.whole);
  return (parameter.type & kSkip) != 0;
}

/// Parameters that RFC 9260 knows and that mean nothing over DTLS: addresses, ECN, host names, key exchange.
bool is_known_and_ignored(std::uint16_t type) {
  constexpr std::uint16_t kIpv4Address = 5;
  constexpr std::uint16_t kIpv6Address = 6;
  constexpr std::uint16_t kUnrecognizedParameter = 8;
  constexpr std::uint16_t kCookiePreservative = 9;
  constexpr std::uint16_t kHostName = 11;
  constexpr std::uint16_t kAddressTypes = 12;
  constexpr std::uint16_t kEcn = 0x8000;
  return type == kIpv4Address || type == kIpv6Address || type == kUnrecognizedParameter ||
         type == kCookiePreservative || type == kHostName || type == kAddressTypes || type == kEcn;
}

std::vector<StreamId> read_streams(ByteReader& reader) {
  std::vector<StreamId> streams;
  streams.reserve(reader.remaining() / 2);
  while (reader.remaining() >= 2) streams.push_back(static_cast<StreamId>(reader.u16()));
  return streams;
}

Bytes parameter(std::uint16_t type, ByteView value) {
  Bytes bytes;
  BytesWriter writer(bytes);
  writer.u16(type);
  writer.u16(static_cast<std::uint16_t>(kParameterHeaderSize + value.size()));
  writer.bytes(value);
  return bytes;
}

}  // namespace

std::expected<PacketReader, PacketError> PacketReader::open(ByteView packet) {
  if (packet.size() < kPacketHeaderSize) return std::unexpected(PacketError::TooShort);
  ByteReader reader(packet);
  PacketHeader header;
  header.source_port = reader.u16();
  header.destination_port = reader.u16();
  header.verification_tag = reader.u32();
  // The checksum is the one little-endian field (RFC 9260 appendix A).
  if (__builtin_bswap32(reader.u32()) != packet_checksum(packet)) return std::unexpected(PacketError::BadChecksum);
  return PacketReader(header, reader.rest());
}

std::optional<ChunkView> PacketReader::next() {
  if (rest_.empty()) return std::nullopt;
  ByteReader reader(rest_);
  const auto type = static_cast<ChunkType>(reader.u8());
  const std::uint8_t flags = reader.u8();
  const std::uint16_t length = reader.u16();
  if (!reader.ok() || length < kChunkHeaderSize || length > rest_.size()) {
    malformed_ = true;
    rest_ = {};
    return std::nullopt;
  }
  const ByteView value = rest_.subspan(kChunkHeaderSize, length - kChunkHeaderSize);
  rest_ = rest_.subspan(std::min(padded(length), rest_.size()));
  return ChunkView{type, flags, value};
}

std::optional<InitChunk> parse_init(ByteView value) {
  ByteReader reader(value);
  InitChunk init;
  init.initiate_tag = reader.u32();
  init.a_rwnd = reader.u32();
  init.outbound_streams = reader.u16();
  init.inbound_streams = reader.u16();
  init.initial_tsn = reader.u32();
  // RFC 9260 3.3.2: a tag or a stream count of 0 is an error.
  if (!reader.ok() || init.initiate_tag == 0 || init.outbound_streams == 0 || init.inbound_streams == 0) {
    return std::nullopt;
  }
  ByteView rest = reader.rest();
  while (const auto each = take_parameter(rest)) {
    if (each->type == parameter_type::kStateCookie) {
      init.cookie = each->value;
    } else if (each->type == parameter_type::kSupportedExtensions) {
      read_extensions(each->value, init.extensions);
    } else if (each->type == parameter_type::kForwardTsnSupported) {
      init.extensions.partial_reliability = true;
    } else if (!is_known_and_ignored(each->type) && !handle_unknown(*each, init.unrecognized)) {
      return init;
    }
  }
  if (!rest.empty()) return std::nullopt;
  return init;
}

std::optional<DataChunk> parse_data(const ChunkView& chunk) {
  ByteReader reader(chunk.value);
  DataChunk data;
  data.begin = (chunk.flags & kBeginBit) != 0;
  data.end = (chunk.flags & kEndBit) != 0;
  data.unordered = (chunk.flags & kUnorderedBit) != 0;
  data.immediate = (chunk.flags & kImmediateBit) != 0;
  data.tsn = reader.u32();
  data.stream = static_cast<StreamId>(reader.u16());
  if (chunk.type == ChunkType::Data) {
    data.message = reader.u16();
    data.ppid = static_cast<Ppid>(reader.u32());
  } else {
    reader.skip(2);
    data.message = reader.u32();
    const std::uint32_t ppid_or_fragment = reader.u32();
    if (data.begin) {
      data.ppid = static_cast<Ppid>(ppid_or_fragment);
    } else {
      data.fragment = ppid_or_fragment;
    }
  }
  if (!reader.ok()) return std::nullopt;
  data.payload = reader.rest();
  return data;
}

bool parse_sack(ByteView value, SackChunk& into) {
  ByteReader reader(value);
  into.cumulative_tsn = reader.u32();
  into.a_rwnd = reader.u32();
  const std::size_t gaps = reader.u16();
  reader.skip(2);  // duplicates: for statistics only
  if (!reader.ok() || reader.remaining() < gaps * 4) return false;
  into.gaps.clear();
  for (std::size_t i = 0; i < gaps; ++i) {
    const std::uint16_t start = reader.u16();
    const std::uint16_t end = reader.u16();
    const std::uint16_t after = into.gaps.empty() ? 0 : into.gaps.back().end;
    // Blocks come in order and apart (RFC 9260 3.3.4); others are of no use and may be hostile.
    if (start <= after || end < start) return false;
    into.gaps.push_back({start, end});
  }
  return true;
}

std::optional<ForwardTsnChunk> parse_forward_tsn(const ChunkView& chunk) {
  ByteReader reader(chunk.value);
  ForwardTsnChunk forward;
  forward.new_cumulative_tsn = reader.u32();
  const bool interleaved = chunk.type == ChunkType::IForwardTsn;
  const std::size_t entry = interleaved ? 8 : 4;
  while (reader.remaining() >= entry) {
    SkippedStream skipped;
    skipped.stream = static_cast<StreamId>(reader.u16());
    if (interleaved) {
      skipped.unordered = (reader.u16() & 1) != 0;
      skipped.message = reader.u32();
    } else {
      skipped.message = reader.u16();
    }
    forward.streams.push_back(skipped);
  }
  if (!reader.ok()) return std::nullopt;
  return forward;
}

std::optional<std::vector<ReconfigParameter>> parse_reconfig(ByteView value) {
  std::vector<ReconfigParameter> parameters;
  while (const auto each = take_parameter(value)) {
    ByteReader reader(each->value);
    if (each->type == parameter_type::kOutgoingReset) {
      OutgoingResetRequest request;
      request.request = reader.u32();
      request.response = reader.u32();
      request.last_tsn = reader.u32();
      if (!reader.ok()) return std::nullopt;
      request.streams = read_streams(reader);
      parameters.emplace_back(std::move(request));
    } else if (each->type == parameter_type::kReconfigResponse) {
      ReconfigResponse response;
      response.response = reader.u32();
      response.result = reader.u32();
      if (!reader.ok()) return std::nullopt;
      parameters.emplace_back(response);
    } else if (each->type == parameter_type::kIncomingReset || each->type == parameter_type::kTsnReset ||
               each->type == parameter_type::kAddOutgoingStreams || each->type == parameter_type::kAddIncomingStreams) {
      OtherReconfigRequest request;
      request.request = reader.u32();
      if (!reader.ok()) return std::nullopt;
      parameters.emplace_back(request);
    }
    // RFC 6525 3.1: at most two parameters in a chunk.
    if (parameters.size() > 2) return std::nullopt;
  }
  if (!value.empty()) return std::nullopt;
  return parameters;
}

Bytes make_chunk(ChunkType type, std::uint8_t flags, ByteView value) {
  Bytes bytes;
  bytes.reserve(kChunkHeaderSize + value.size());
  BytesWriter writer(bytes);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(flags);
  writer.u16(static_cast<std::uint16_t>(kChunkHeaderSize + value.size()));
  writer.bytes(value);
  return bytes;
}

Bytes make_init(ChunkType type, const InitChunk& init) {
  Bytes value;
  BytesWriter writer(value);
  writer.u32(init.initiate_tag);
  writer.u32(init.a_rwnd);
  writer.u16(init.outbound_streams);
  writer.u16(init.inbound_streams);
  writer.u32(init.initial_tsn);
  const auto add = [&](ByteView each) {
    writer.zeros(padded(value.size()) - value.size());
    writer.bytes(each);
  };
  Bytes supported;
  BytesWriter types(supported);
  if (init.extensions.stream_reset) types.u8(static_cast<std::uint8_t>(ChunkType::ReConfig));
  if (init.extensions.partial_reliability) types.u8(static_cast<std::uint8_t>(ChunkType::ForwardTsn));
  if (init.extensions.interleaving) {
    types.u8(static_cast<std::uint8_t>(ChunkType::IData));
    types.u8(static_cast<std::uint8_t>(ChunkType::IForwardTsn));
  }
  if (init.extensions.partial_reliability) add(parameter(parameter_type::kForwardTsnSupported, {}));
  if (!supported.empty()) add(parameter(parameter_type::kSupportedExtensions, supported));
  if (!init.cookie.empty()) add(parameter(parameter_type::kStateCookie, init.cookie));
  constexpr std::uint16_t kUnrecognizedParameter = 8;
  for (const ByteView each : init.unrecognized) add(parameter(kUnrecognizedParameter, each));
  return make_chunk(type, 0, value);
}

Bytes make_error(std::uint16_t cause, ByteView info) { return make_chunk(ChunkType::Error, 0, parameter(cause, info)); }

Bytes make_abort(std::uint16_t cause, std::string_view reason) {
  constexpr std::size_t kLongestReason = 256;
  return make_chunk(ChunkType::Abort, 0, parameter(cause, as_byte_view(reason.substr(0, kLongestReason))));
}

Bytes make_outgoing_reset(const OutgoingResetRequest& request) {
  Bytes value;
  BytesWriter writer(value);
  writer.u32(request.request);
  writer.u32(request.response);
  writer.u32(request.last_tsn);
  for (const StreamId stream : request.streams) writer.u16(static_cast<std::uint16_t>(stream));
  return make_chunk(ChunkType::ReConfig, 0, parameter(parameter_type::kOutgoingReset, value));
}

Bytes make_reconfig_response(const ReconfigResponse& response) {
  Bytes value;
  BytesWriter writer(value);
  writer.u32(response.response);
  writer.u32(response.result);
  return make_chunk(ChunkType::ReConfig, 0, parameter(parameter_type::kReconfigResponse, value));
}

Bytes make_forward_tsn(ChunkType type, const ForwardTsnChunk& forward) {
  Bytes value;
  BytesWriter writer(value);
  writer.u32(forward.new_cumulative_tsn);
  for (const SkippedStream& each : forward.streams) {
    writer.u16(static_cast<std::uint16_t>(each.stream));
    if (type == ChunkType::IForwardTsn) {
      writer.u16(each.unordered ? 1 : 0);
      writer.u32(each.message);
    } else {
      writer.u16(static_cast<std::uint16_t>(each.message));
    }
  }
  return make_chunk(type, 0, value);
}

void write_packet_header(SpanWriter& out, const PacketHeader& header) {
  out.u16(header.source_port);
  out.u16(header.destination_port);
  out.u32(header.verification_tag);
  out.u32(0);
}

void seal_packet(MutableByteView packet) {
  SpanWriter(packet.subspan(8, 4)).u32(__builtin_bswap32(packet_checksum(packet)));
}

void write_chunk(SpanWriter& out, ByteView chunk) {
  out.bytes(chunk);
  out.zeros(padded(chunk.size()) - chunk.size());
}

void write_data(SpanWriter& out, ChunkType type, const DataChunk& data) {
  const bool interleaved = type == ChunkType::IData;
  const std::size_t length = (interleaved ? kIDataHeaderSize : kDataHeaderSize) + data.payload.size();
  out.u8(static_cast<std::uint8_t>(type));
  out.u8(static_cast<std::uint8_t>((data.end ? kEndBit : 0) | (data.begin ? kBeginBit : 0) |
                                   (data.unordered ? kUnorderedBit : 0) | (data.immediate ? kImmediateBit : 0)));
  out.u16(static_cast<std::uint16_t>(length));
  out.u32(data.tsn);
  out.u16(static_cast<std::uint16_t>(data.stream));
  if (interleaved) {
    out.u16(0);
    out.u32(data.message);
    out.u32(data.begin ? static_cast<std::uint32_t>(data.ppid) : data.fragment);
  } else {
    out.u16(static_cast<std::uint16_t>(data.message));
    out.u32(static_cast<std::uint32_t>(data.ppid));
  }
  out.bytes(data.payload);
  out.zeros(padded(length) - length);
}

}  // namespace isotube::sctp
