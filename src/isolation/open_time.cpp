#include "isolation/open_time.hpp"

#include <algorithm>

namespace isotube::isolation {

namespace {

constexpr double kJitter = 0.2;

}  // namespace

Duration OpenTime::next(Duration base, double factor, Duration limit, Random& random) {
  if (openings_ == 0) share_ = 1 - kJitter * random.unit();
  const double first = static_cast<double>(base.count()) * factor * share_;
  if (first >= static_cast<double>(limit.count())) {
    ++openings_;
    return limit;
  }
  Duration doubled(static_cast<Duration::rep>(first));
  for (std::uint32_t i = 0; i < openings_ && doubled < limit; ++i) doubled *= 2;
  ++openings_;
  return std::min(doubled, limit);
}

}  // namespace isotube::isolation
