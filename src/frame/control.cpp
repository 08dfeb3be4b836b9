// Control messages: payload of frames with conn_no 0, a code (u16) and what belongs to it. docs/protocol.md has the
// table.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "frame/frame.hpp"
#include "frame/utf8.hpp"

namespace isotube::frame {
namespace {

enum class Code : std::uint16_t {
  Ping = 1,
  Pong = 2,
  OpenConnection = 101,
  CloseConnection = 102,
  ConnectionOpened = 103,
  SendEof = 104,
  WindowUpdate = 401,
  Hello = 402,
  RestartNeeded = 403,
};

constexpr std::size_t kCodeSize = 2;
constexpr std::size_t kMaxHost = 255;

using Parsed = std::expected<Control, ControlError>;

ConnNo read_conn_no(ByteReader& reader) { return ConnNo{reader.u32()}; }

/// All of `control`, unless the reader ran out while it was read.
Parsed complete(const ByteReader& reader, Control control) {
  if (!reader.ok()) return std::unexpected(ControlError::TooShort);
  return control;
}

CloseReason read_reason(ByteReader& reader) {
  const std::uint8_t value = reader.u8();
  // 3 was never given out, and what lies above 20 may be given out one day.
  if (value == 3 || value > std::to_underlying(CloseReason::UpstreamClosed)) return CloseReason::Unknown;
  return CloseReason{value};
}

Parsed parse_open(ByteReader& reader) {
  OpenConnection open{.conn_no = read_conn_no(reader), .target = std::nullopt};
  if (reader.remaining() == 0) return complete(reader, std::move(open));
  const std::uint32_t host_size = reader.u32();
  if (!reader.ok() || host_size > reader.remaining()) return std::unexpected(ControlError::TooShort);
  const std::string_view host = as_text(reader.bytes(host_size));
  if (!is_valid_host(host)) return std::unexpected(ControlError::BadHost);
  open.target = Target{.host = std::string(host), .port = reader.u16()};
  return complete(reader, std::move(open));
}

Parsed parse_close(ByteReader& reader) {
  CloseConnection close{.conn_no = read_conn_no(reader), .reason = read_reason(reader), .message = {}};
  if (reader.remaining() == 0) return complete(reader, close);
  const std::string_view message = as_text(reader.bytes(reader.u16()));
  // The message is for people: it must not cost the connection's good end, nor reach a log or JSON as it is.
  if (is_utf8(message)) close.message = message;
  return complete(reader, close);
}

/// Writes the payload of one control message, its code first.
class Writer {
 public:
  explicit Writer(MutableByteView out) : out_(out) {}

  void operator()(const Ping& ping) { echo(Code::Ping, ping.conn_no, ping.echo); }
  void operator()(const Pong& pong) { echo(Code::Pong, pong.conn_no, pong.echo); }
  void operator()(const OpenConnection& open) {
    number(Code::OpenConnection, open.conn_no);
    if (!open.target) return;
    out_.u32(static_cast<std::uint32_t>(open.target->host.size()));
    out_.bytes(as_byte_view(open.target->host));
    out_.u16(open.target->port);
  }
  void operator()(const CloseConnection& close) {
    number(Code::CloseConnection, close.conn_no);
    out_.u8(std::to_underlying(close.reason));
    if (close.message.empty()) return;
    out_.u16(static_cast<std::uint16_t>(close.message.size()));
    out_.bytes(as_byte_view(close.message));
  }
  void operator()(const ConnectionOpened& opened) { number(Code::ConnectionOpened, opened.conn_no); }
  void operator()(const SendEof& eof) { number(Code::SendEof, eof.conn_no); }
  void operator()(const WindowUpdate& update) {
    number(Code::WindowUpdate, update.conn_no);
    out_.u32(update.credit);
  }
  void operator()(const Hello& hello) {
    code(Code::Hello);
    out_.u16(hello.version);
    out_.u32(hello.capabilities);
  }
  void operator()(const RestartNeeded&) { code(Code::RestartNeeded); }
  void operator()(const UnknownControl& unknown) { out_.u16(unknown.code); }

  [[nodiscard]] bool filled() const { return out_.ok() && out_.remaining() == 0; }

 private:
  void code(Code of) { out_.u16(std::to_underlying(of)); }
  void number(Code of, ConnNo conn_no) {
    code(of);
    out_.u32(std::to_underlying(conn_no));
  }
  void echo(Code of, ConnNo conn_no, ByteView bytes) {
    number(of, conn_no);
    out_.bytes(bytes);
  }

  SpanWriter out_;
};

/// Bytes that follow the code.
struct DataSize {
  std::size_t operator()(const Ping& ping) const { return 4 + ping.echo.size(); }
  std::size_t operator()(const Pong& pong) const { return 4 + pong.echo.size(); }
  std::size_t operator()(const OpenConnection& open) const {
    return 4 + (open.target ? 4 + open.target->host.size() + 2 : 0);
  }
  std::size_t operator()(const CloseConnection& close) const {
    ISOTUBE_ASSERT(close.message.size() <= std::numeric_limits<std::uint16_t>::max());
    return 5 + (close.message.empty() ? 0 : 2 + close.message.size());
  }
  std::size_t operator()(const ConnectionOpened&) const { return 4; }
  std::size_t operator()(const SendEof&) const { return 4; }
  std::size_t operator()(const WindowUpdate&) const { return 8; }
  std::size_t operator()(const Hello&) const { return 6; }
  std::size_t operator()(const RestartNeeded&) const { return 0; }
  std::size_t operator()(const UnknownControl&) const { return 0; }
};

}  // namespace

bool is_valid_host(std::string_view host) {
  const auto is_control = [](char each) { return static_cast<unsigned char>(each) < 0x20 || each == 0x7F; };
  return !host.empty() && host.size() <= kMaxHost && is_utf8(host) && std::ranges::none_of(host, is_control);
}

std::expected<Control, ControlError> parse_control(ByteView payload) {
  ByteReader reader(payload);
  const std::uint16_t code = reader.u16();
  if (!reader.ok()) return std::unexpected(ControlError::TooShort);
  switch (Code{code}) {
    case Code::Ping: {
      const ConnNo conn_no = read_conn_no(reader);
      return complete(reader, Ping{conn_no, reader.rest()});
    }
    case Code::Pong: {
      const ConnNo conn_no = read_conn_no(reader);
      return complete(reader, Pong{conn_no, reader.rest()});
    }
    case Code::OpenConnection:
      return parse_open(reader);
    case Code::CloseConnection:
      return parse_close(reader);
    case Code::ConnectionOpened:
      return complete(reader, ConnectionOpened{read_conn_no(reader)});
    case Code::SendEof:
      return complete(reader, SendEof{read_conn_no(reader)});
    case Code::WindowUpdate: {
      const ConnNo conn_no = read_conn_no(reader);
      return complete(reader, WindowUpdate{conn_no, reader.u32()});
    }
    case Code::Hello: {
      const std::uint16_t version = reader.u16();
      return complete(reader, Hello{version, reader.u32()});
    }
    case Code::RestartNeeded:
      return RestartNeeded{};
  }
  return UnknownControl{code};
}

std::size_t control_frame_size(const Control& control) {
  return kOverhead + kCodeSize + std::visit(DataSize{}, control);
}

void append_control(Buffer& message, const Control& control, std::uint64_t timestamp_ms) {
  const std::size_t size = control_frame_size(control);
  ISOTUBE_ASSERT(size <= kMaxFrame);
  const MutableByteView frame = message.append(size);
  SpanWriter header(frame);
  header.u32(std::to_underlying(kControl));
  header.u64(timestamp_ms);
  header.u32(static_cast<std::uint32_t>(size - kOverhead));
  Writer writer(frame.subspan(kHeaderSize, size - kOverhead));
  std::visit(writer, control);
  ISOTUBE_ASSERT(writer.filled());
  frame.back() = kTerminator;
}

Buffer make_control(BufferPool& pool, const Control& control, std::uint64_t timestamp_ms) {
  Buffer message = pool.acquire(0, control_frame_size(control));
  append_control(message, control, timestamp_ms);
  return message;
}

}  // namespace isotube::frame
