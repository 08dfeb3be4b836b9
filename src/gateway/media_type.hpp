// The Content-Type field.
#pragma once

#include <string_view>

#include "gateway/message.hpp"

namespace isotube::gateway {

/// Whether the one Content-Type is `wanted` (lower case), whatever its parameters (RFC 9110 8.3.1).
[[nodiscard]] bool has_media_type(const Fields& fields, std::string_view wanted);

}  // namespace isotube::gateway
