// Bytes as every layer sees them: views, a growing vector, and a reader and writers that check every bound.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace isotube {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

/// The bytes of `text`, without a terminator. Valid as long as `text` is.
[[nodiscard]] inline ByteView as_byte_view(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// `bytes` as text; no encoding is assumed. Valid as long as `bytes` is.
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

/// Reads big-endian integers and byte runs from the front of a view. A read past the end yields zero or an empty
/// view and makes `ok()` false for good, so that a parser checks once after a group of reads.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] ByteView rest() const { return rest_; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }

  ByteView bytes(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    ByteView head = rest_.first(count);
    rest_ = rest_.subspan(count);
    return head;
  }

  void skip(std::size_t count) { (void)bytes(count); }

 private:
  std::uint64_t integer(std::size_t width) {
    std::uint64_t value = 0;
    for (std::byte each : bytes(width)) value = (value << 8) | std::to_integer<std::uint64_t>(each);
    return value;
  }

  ByteView rest_;
  bool ok_ = true;
};

/// Writes big-endian integers and byte runs into a span that it does not own. A write past the end writes nothing
/// and makes `ok()` false for good.
class SpanWriter {
 public:
  explicit SpanWriter(MutableByteView out) : out_(out) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] std::size_t remaining() const { return out_.size() - used_; }
  [[nodiscard]] ByteView written() const { return out_.first(used_); }

  void u8(std::uint8_t value) { integer(value, 1); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }

  void bytes(ByteView source) {
    MutableByteView target = take(source.size());
    if (!target.empty()) std::memcpy(target.data(), source.data(), source.size());
  }

  void zeros(std::size_t count) { std::ranges::fill(take(count), std::byte{0}); }

  /// Overwrites two bytes that were written before, at `offset`: for lengths known only afterwards.
  void patch_u16(std::size_t offset, std::uint16_t value) {
    if (offset + 2 > used_) {
      ok_ = false;
      return;
    }
    out_[offset] = static_cast<std::byte>(value >> 8);
    out_[offset + 1] = static_cast<std::byte>(value & 0xFF);
  }

 private:
  MutableByteView take(std::size_t count) {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return {};
    }
    MutableByteView target = out_.subspan(used_, count);
    used_ += count;
    return target;
  }

  void integer(std::uint64_t value, std::size_t width) {
    MutableByteView target = take(width);
    for (std::size_t i = 0; i < target.size(); ++i) {
      target[i] = static_cast<std::byte>((value >> (8 * (width - 1 - i))) & 0xFF);
    }
  }

  MutableByteView out_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

/// Appends big-endian integers and byte runs to a vector that it does not own.
class BytesWriter {
 public:
  explicit BytesWriter(Bytes& out) : out_(out) {}

  void u8(std::uint8_t value) { integer(value, 1); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void bytes(ByteView source) { out_.insert(out_.end(), source.begin(), source.end()); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }

 private:
  void integer(std::uint64_t value, std::size_t width) {
    for (std::size_t i = width; i-- > 0;) out_.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xFF));
  }

  Bytes& out_;
};

}  // namespace isotube
