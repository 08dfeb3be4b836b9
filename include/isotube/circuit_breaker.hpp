// All value types of a tube's circuit breaker.
#pragma once

#include "isotube/circuit_config.hpp"  // IWYU pragma: export
#include "isotube/circuit_error.hpp"   // IWYU pragma: export
#include "isotube/circuit_stats.hpp"   // IWYU pragma: export
#include "isotube/error_type.hpp"      // IWYU pragma: export
