// Virtual time and seeded randomness for OpenSSL, which has a clock and a random source of its own.
//
// A program that links this defines gettimeofday() itself. Outside of a VirtualSurroundings it tells the real time.
#pragma once

#include "base/random.hpp"
#include "dtls/surroundings.hpp"

namespace isotube::sim {

/// The world as one tube's OpenSSL calls see it. One per tube: what one draws never shifts what another gets.
/// Not thread-safe: OpenSSL has one random method for the whole process, so simulations run on one thread.
class VirtualSurroundings : public dtls::Surroundings {
 public:
  explicit VirtualSurroundings(const Random& random) : random_(random.fork("openssl")) {}
  VirtualSurroundings(const VirtualSurroundings&) = delete;
  VirtualSurroundings& operator=(const VirtualSurroundings&) = delete;

  void enter(TimePoint now) override;
  void leave() override;

 private:
  Random random_;
};

}  // namespace isotube::sim
