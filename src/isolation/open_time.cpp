#include "isolation/open_time.hpp"

#include <algorithm>
#include <cmath>

namespace isotube::isolation {

namespace {

constexpr double kJitter = 0.2;
/// 2^40 ns are 18 minutes: more doublings of a base of any sense pass every limit.
constexpr int kMostDoublings = 40;

}  // namespace

Duration OpenTime::next(Duration base, double factor, Duration limit, Random& random) {
  if (openings_ == 0) share_ = 1 - kJitter * random.unit();
  const double first = static_cast<double>(base.count()) * factor * share_;
  const double wanted = std::ldexp(first, openings_);
  openings_ = std::min(openings_ + 1, kMostDoublings);
  if (wanted >= static_cast<double>(limit.count())) return limit;
  return Duration(static_cast<Duration::rep>(wanted));
}

}  // namespace isotube::isolation
