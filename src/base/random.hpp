// Randomness that is handed in: one seed per tube, one independent stream per purpose.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace isotube {

/// A stream of random bytes (ChaCha20 keystream, RFC 8439) that is fixed by its seed. With a seed from the operating
/// system it is fit for secrets; with a chosen seed a run repeats byte for byte.
///
/// A machine gets `random.fork("ice")` and the like: what one layer draws never shifts what another gets.
/// Ownership: a value; a machine keeps its own. Not thread-safe.
class Random {
 public:
  using Seed = std::array<std::byte, 32>;

  explicit Random(const Seed& seed) : seed_(seed) {}

  /// An independent stream for `purpose`: the same for the same seed and purpose, whatever was drawn before.
  [[nodiscard]] Random fork(std::string_view purpose) const;

  void fill(MutableByteView out);
  [[nodiscard]] std::uint32_t next_u32();
  [[nodiscard]] std::uint64_t next_u64();
  /// Uniform in [0, bound). `bound` must not be 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  [[nodiscard]] double unit();

 private:
  static constexpr std::size_t kBlock = 64;

  void refill();

  Seed seed_;
  std::array<std::byte, kBlock> block_{};
  std::size_t used_ = kBlock;
  std::uint64_t counter_ = 0;
};

}  // namespace isotube
