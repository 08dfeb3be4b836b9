#include "dtls/record.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "dtls/session.hpp"

namespace isotube::dtls {
namespace {

/// RFC 6347 4.1: 2^14 bytes and what sealing may add (RFC 5246 6.2.3).
constexpr std::size_t kMaxFragment = 16'384 + 2'048;
/// The longest handshake message that we take: a certificate chain of three with RSA keys has 4 KiB.
constexpr std::uint32_t kMaxMessage = 16'384;

// Handshake types of RFC 5246 7.4, RFC 6347 4.2.2 (hello_verify_request), RFC 5077 (new_session_ticket), RFC 6066
// (certificate_status). finished is in neither list: it never comes in plaintext.
constexpr std::array<std::uint8_t, 8> kSentByServer = {2, 3, 4, 11, 12, 13, 14, 22};
constexpr std::array<std::uint8_t, 4> kSentByClient = {1, 11, 15, 16};

constexpr std::uint8_t kFatal = 2;
constexpr std::uint8_t kCloseNotify = 0;

std::uint32_t read_u24(ByteReader& reader) {
  const std::uint32_t high = reader.u8();
  return high << 16 | reader.u16();
}

bool is_expected_type(std::uint8_t type, Role role) {
  const std::span<const std::uint8_t> expected = role == Role::Client ? std::span<const std::uint8_t>(kSentByServer)
                                                                      : std::span<const std::uint8_t>(kSentByClient);
  return std::ranges::find(expected, type) != expected.end();
}

/// One or more messages or pieces of them (RFC 6347 4.2.2 and 4.2.3), each of which says where it belongs:
/// type (1) | length (3) | message number (2) | offset (3) | piece's length (3)
bool is_plausible_handshake(ByteView fragment, Role role) {
  ByteReader reader(fragment);
  if (reader.remaining() == 0) return false;
  while (reader.remaining() > 0) {
    const std::uint8_t type = reader.u8();
    const std::uint32_t length = read_u24(reader);
    (void)reader.u16();
    const std::uint32_t offset = read_u24(reader);
    const std::uint32_t piece = read_u24(reader);
    reader.skip(piece);
    if (!reader.ok() || length > kMaxMessage || offset > length || piece > length - offset) return false;
    if (!is_expected_type(type, role)) return false;
    // A piece of nothing, of a message that has something, says nothing.
    if (piece == 0 && length != 0) return false;
  }
  return true;
}

/// A plaintext alert may end a handshake that cannot succeed. Mere warnings from who knows whom are not counted
/// against it, as OpenSSL would (it gives up after five).
bool is_plausible_alert(ByteView fragment) {
  if (fragment.size() != 2) return false;
  return std::to_integer<std::uint8_t>(fragment[0]) == kFatal ||
         std::to_integer<std::uint8_t>(fragment[1]) == kCloseNotify;
}

}  // namespace

std::optional<Record> RecordReader::next() {
  ByteReader reader(rest_);
  const std::uint8_t type = reader.u8();
  const std::uint16_t version = reader.u16();
  const std::uint16_t epoch = reader.u16();
  reader.skip(6);
  const std::uint16_t length = reader.u16();
  const ByteView fragment = reader.bytes(length);
  const bool known_type = type >= static_cast<std::uint8_t>(ContentType::ChangeCipherSpec) &&
                          type <= static_cast<std::uint8_t>(ContentType::ApplicationData);
  // DTLS 1.2, or the 1.0 that a first ClientHello says for the sake of old servers (RFC 6347 4.1).
  const bool known_version = version == 0xFEFD || version == 0xFEFF;
  if (!reader.ok() || !known_type || !known_version || length > kMaxFragment) return std::nullopt;
  const ByteView whole = rest_.first(rest_.size() - reader.remaining());
  rest_ = reader.rest();
  return Record{static_cast<ContentType>(type), epoch, fragment, whole};
}

bool is_plausible_plaintext(const Record& record, Role role) {
  switch (record.type) {
    case ContentType::ChangeCipherSpec:
      return record.fragment.size() == 1 && record.fragment[0] == std::byte{1};
    case ContentType::Alert:
      return is_plausible_alert(record.fragment);
    case ContentType::Handshake:
      return is_plausible_handshake(record.fragment, role);
    case ContentType::ApplicationData:
      break;
  }
  return false;
}

}  // namespace isotube::dtls
