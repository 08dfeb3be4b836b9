// STUN messages (RFC 8489) as values and as bytes.
//
// This folder reads and writes STUN: messages and attributes (message.hpp, builder.hpp), integrity (integrity.hpp),
// the keys that credentials give (credentials.hpp), and when a request is repeated (retransmission.hpp). It knows no
// transaction, timer or socket: those belong to who uses STUN. It uses base/.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   |0 0|M M M M M|C|M M M|C|M M M M|         Message Length        |
//   |                     Magic Cookie = 0x2112A442                 |
//   |                     Transaction ID (96 bits)                  |
//   then attributes: type u16, length u16, value, padding to 4 bytes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/random.hpp"

namespace isotube::stun {

inline constexpr std::uint32_t kMagicCookie = 0x2112A442;
inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::size_t kAttributeHeaderSize = 4;

enum class Class : std::uint8_t { Request = 0, Indication = 1, Success = 2, Error = 3 };

/// Any 12-bit value may arrive; these have names (RFC 8489 18.2, RFC 8656 17).
enum class Method : std::uint16_t {
  Binding = 0x001,
  Allocate = 0x003,
  Refresh = 0x004,
  Send = 0x006,
  Data = 0x007,
  CreatePermission = 0x008,
  ChannelBind = 0x009,
};

/// Any 16-bit value may arrive; these have names (RFC 8489 18.3, RFC 8445 20.2, RFC 8656 18). Up to 0x7FFF a receiver
/// has to understand an attribute or refuse the message ("comprehension-required").
enum class AttributeType : std::uint16_t {
  MappedAddress = 0x0001,
  Username = 0x0006,
  MessageIntegrity = 0x0008,
  ErrorCode = 0x0009,
  UnknownAttributes = 0x000A,
  ChannelNumber = 0x000C,
  Lifetime = 0x000D,
  XorPeerAddress = 0x0012,
  Data = 0x0013,
  Realm = 0x0014,
  Nonce = 0x0015,
  XorRelayedAddress = 0x0016,
  RequestedAddressFamily = 0x0017,
  EvenPort = 0x0018,
  RequestedTransport = 0x0019,
  DontFragment = 0x001A,
  MessageIntegritySha256 = 0x001C,
  PasswordAlgorithm = 0x001D,
  UserHash = 0x001E,
  XorMappedAddress = 0x0020,
  ReservationToken = 0x0022,
  Priority = 0x0024,
  UseCandidate = 0x0025,
  AdditionalAddressFamily = 0x8000,
  AddressErrorCode = 0x8001,
  PasswordAlgorithms = 0x8002,
  AlternateDomain = 0x8003,
  Icmp = 0x8004,
  Software = 0x8022,
  AlternateServer = 0x8023,
  Fingerprint = 0x8028,
  IceControlled = 0x8029,
  IceControlling = 0x802A,
};

[[nodiscard]] constexpr bool is_comprehension_required(AttributeType type) {
  return static_cast<std::uint16_t>(type) < 0x8000;
}

/// Error codes that this project gives or acts on (RFC 8489 14.8, RFC 8445 20.3, RFC 8656 19).
namespace error_code {
inline constexpr int kTryAlternate = 300;
inline constexpr int kBadRequest = 400;
inline constexpr int kUnauthenticated = 401;
inline constexpr int kForbidden = 403;
inline constexpr int kUnknownAttribute = 420;
inline constexpr int kAllocationMismatch = 437;
inline constexpr int kStaleNonce = 438;
inline constexpr int kAddressFamilyNotSupported = 440;
inline constexpr int kWrongCredentials = 441;
inline constexpr int kUnsupportedTransport = 442;
inline constexpr int kPeerAddressFamilyMismatch = 443;
inline constexpr int kAllocationQuotaReached = 486;
inline constexpr int kRoleConflict = 487;
inline constexpr int kServerError = 500;
inline constexpr int kInsufficientCapacity = 508;
}  // namespace error_code

/// Names one transaction: 96 bits that nobody can guess (RFC 8489 5).
struct TransactionId {
  std::array<std::byte, 12> bytes{};

  [[nodiscard]] static TransactionId draw(Random& random);

  friend auto operator<=>(const TransactionId&, const TransactionId&) = default;
};

struct Attribute {
  AttributeType type;
  ByteView value;  ///< without padding
};

struct ErrorCode {
  int code = 0;             ///< 300 to 699
  std::string_view reason;  ///< any bytes; no encoding is assumed
};

/// RFC 8489 18.5.
enum class PasswordAlgorithmId : std::uint16_t { Md5 = 1, Sha256 = 2 };

struct PasswordAlgorithm {
  PasswordAlgorithmId id;
  ByteView parameters;
};

/// Why bytes are no STUN message.
enum class ParseError : std::uint8_t {
  TooShort,      ///< fewer bytes than a header has
  NotStun,       ///< the first two bits or the magic cookie are wrong
  BadLength,     ///< the length is no multiple of 4 or not that of the bytes
  BadAttribute,  ///< an attribute reaches past the end, or follows FINGERPRINT
};

/// A message read in place: nothing is copied, and every bound was checked by parse(). Getters answer nothing for an
/// attribute that is missing or whose value is malformed.
///
/// What follows MESSAGE-INTEGRITY is not seen, but for MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 14.5, 14.6):
/// it is not protected. Of an attribute that occurs several times the first counts (RFC 8489 14).
/// Ownership: a view; valid as long as the bytes are.
class MessageView {
 public:
  /// Walks over the attributes that count, MESSAGE-INTEGRITY and FINGERPRINT not included.
  class Iterator {
   public:
    using value_type = Attribute;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(ByteView rest) : rest_(rest) {}
    Attribute operator*() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& one, std::default_sentinel_t) { return one.rest_.empty(); }

   private:
    ByteView rest_;
  };

  struct Attributes {
    ByteView bytes;
    [[nodiscard]] Iterator begin() const { return Iterator(bytes); }
    [[nodiscard]] std::default_sentinel_t end() const { return {}; }
  };

  [[nodiscard]] static std::expected<MessageView, ParseError> parse(ByteView bytes);

  [[nodiscard]] Class message_class() const { return class_; }
  [[nodiscard]] Method method() const { return method_; }
  [[nodiscard]] TransactionId transaction_id() const;
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  [[nodiscard]] Attributes attributes() const;

  [[nodiscard]] bool has(AttributeType type) const { return find(type).has_value(); }
  [[nodiscard]] std::optional<ByteView> find(AttributeType type) const;
  /// USERNAME, REALM, NONCE, SOFTWARE: at most 763 bytes (RFC 8489 14.3, 14.9, 14.10, 14.14).
  [[nodiscard]] std::optional<std::string_view> text(AttributeType type) const;
  [[nodiscard]] std::optional<std::uint32_t> u32(AttributeType type) const;
  [[nodiscard]] std::optional<std::uint64_t> u64(AttributeType type) const;
  /// An address as in MAPPED-ADDRESS (RFC 8489 14.1).
  [[nodiscard]] std::optional<Address> address(AttributeType type) const;
  /// An address as in XOR-MAPPED-ADDRESS (RFC 8489 14.2).
  [[nodiscard]] std::optional<Address> xor_address(AttributeType type) const;
  [[nodiscard]] std::optional<ErrorCode> error() const;
  /// The types that UNKNOWN-ATTRIBUTES lists (RFC 8489 14.13).
  [[nodiscard]] std::vector<AttributeType> unknown_attributes() const;
  /// The algorithms of PASSWORD-ALGORITHMS or PASSWORD-ALGORITHM, in the sender's order (RFC 8489 14.11, 14.12);
  /// nothing if the attribute is missing or malformed.
  [[nodiscard]] std::optional<std::vector<PasswordAlgorithm>> password_algorithms(AttributeType type) const;

  /// The comprehension-required attributes that are not in `understood`, each once, at most kMaxNotUnderstood.
  /// MESSAGE-INTEGRITY and the like are always understood.
  [[nodiscard]] std::vector<AttributeType> not_understood(std::span<const AttributeType> understood) const;

  /// Enough to tell a peer what to leave out; a bound on the work that one message makes.
  static constexpr std::size_t kMaxNotUnderstood = 32;

  /// Where MESSAGE-INTEGRITY begins, header included, and its value: what integrity.hpp needs.
  struct IntegrityField {
    std::size_t offset = 0;
    ByteView value;
  };
  [[nodiscard]] const std::optional<IntegrityField>& integrity_sha1() const { return sha1_; }
  [[nodiscard]] const std::optional<IntegrityField>& integrity_sha256() const { return sha256_; }

  [[nodiscard]] bool has_fingerprint() const { return fingerprint_.has_value(); }
  /// True if FINGERPRINT is there and right (RFC 8489 14.7).
  [[nodiscard]] bool fingerprint_is_right() const;

 private:
  explicit MessageView(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] std::optional<ParseError> read_attributes();
  void note(const Attribute& attribute, std::size_t offset);

  ByteView bytes_;
  Class class_ = Class::Request;
  Method method_ = Method::Binding;
  std::size_t attributes_end_ = kHeaderSize;
  std::optional<IntegrityField> sha1_;
  std::optional<IntegrityField> sha256_;
  std::optional<std::size_t> fingerprint_;
};

/// The 16 bits of the message type (RFC 8489 5): the class bits stand between the method's.
[[nodiscard]] std::uint16_t message_type(Class message_class, Method method);

/// The value of FINGERPRINT over `bytes`, the message up to that attribute (RFC 8489 14.7).
[[nodiscard]] std::uint32_t fingerprint_of(ByteView bytes);

}  // namespace isotube::stun
