// Records on the wire (RFC 6347 4.1), as far as they can be read without keys, and which of them are worth showing to
// OpenSSL:
//
//   type (1) | version (2) | epoch (2) | sequence number (6) | length (2) | fragment
//
// Before the keys are there, anybody may write records, and OpenSSL gives the session up for many that are merely
// nonsense. So what is nonsense by its outside is dropped here.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace isotube::dtls {

enum class Role : std::uint8_t;

enum class ContentType : std::uint8_t {
  ChangeCipherSpec = 20,
  Alert = 21,
  Handshake = 22,
  ApplicationData = 23,
};

struct Record {
  ContentType type;
  std::uint16_t epoch;
  ByteView fragment;
  ByteView whole;  ///< with its header
};

/// Cuts a datagram into its records.
class RecordReader {
 public:
  explicit RecordReader(ByteView datagram) : rest_(datagram) {}

  /// Nothing at the end, and where no record follows: then done() is false.
  [[nodiscard]] std::optional<Record> next();
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  ByteView rest_;
};

/// Whether a plaintext record can be part of a handshake whose reader has `role`.
[[nodiscard]] bool is_plausible_plaintext(const Record& record, Role role);

}  // namespace isotube::dtls
