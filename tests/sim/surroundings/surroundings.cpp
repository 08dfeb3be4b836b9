// RAND_set_rand_method is deprecated in OpenSSL 3 in favour of providers, which cannot be switched per call.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "sim/surroundings/surroundings.hpp"

#include <openssl/rand.h>
#include <sys/time.h>

#include <chrono>
#include <ctime>
#include <optional>

#include "base/assert.hpp"

namespace isotube::sim {
namespace {

/// What the calls of this moment see.
struct Current {
  TimePoint now;
  Random& random;
};
std::optional<Current> current;

int seeded_bytes(unsigned char* out, int count) {
  current->random.fill(std::as_writable_bytes(std::span(out, static_cast<std::size_t>(count))));
  return 1;
}

int seeded_status() { return 1; }

const RAND_METHOD kSeeded = {nullptr, &seeded_bytes, nullptr, nullptr, &seeded_bytes, &seeded_status};

/// Any date will do; zero would read as "no timer" in OpenSSL.
constexpr std::chrono::seconds kEpoch{1'000'000'000};

timeval real_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, now.tv_nsec / 1'000};
}

timeval virtual_time(TimePoint now) {
  const auto since = std::chrono::floor<std::chrono::microseconds>(now.time_since_epoch() + kEpoch);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return {seconds.count(), (since - seconds).count()};
}

}  // namespace

void VirtualSurroundings::enter(TimePoint now) {
  ISOTUBE_ASSERT(!current);
  current.emplace(now, random_);
  RAND_set_rand_method(&kSeeded);
}

void VirtualSurroundings::leave() {
  RAND_set_rand_method(RAND_OpenSSL());
  current.reset();
}

}  // namespace isotube::sim

extern "C" int gettimeofday(timeval* out, void* /*zone*/) noexcept {
  using namespace isotube::sim;
  *out = current ? virtual_time(current->now) : real_time();
  return 0;
}
