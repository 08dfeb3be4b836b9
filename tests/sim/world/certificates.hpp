// Certificates that the seed fixes.
#pragma once

#include "dtls/certificate.hpp"
#include "dtls/surroundings.hpp"

namespace isotube::sim {

/// Any date will do: a certificate that is known by its fingerprint is not asked for its dates.
inline constexpr std::int64_t kToday = 1'700'000'000;

[[nodiscard]] inline dtls::Certificate generate_certificate(dtls::Surroundings& surroundings) {
  const dtls::SurroundingsScope scope(&surroundings, TimePoint{});
  return dtls::Certificate::generate(kToday);
}

}  // namespace isotube::sim
