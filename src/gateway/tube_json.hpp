// A tube's state as JSON.
#pragma once

#include <boost/json/object.hpp>

#include "tube/tube.hpp"

namespace isotube::gateway {

[[nodiscard]] boost::json::object to_json(const tube::Snapshot& snapshot);

}  // namespace isotube::gateway
