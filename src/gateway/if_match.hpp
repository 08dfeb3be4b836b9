// The If-Match field (RFC 9110 13.1.1): which ICE generation a PATCH is meant for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/message.hpp"

namespace isotube::gateway {

enum class IfMatch : std::uint8_t { Missing, Malformed, Matches, Differs };

/// Compares with `generation`, the current entity tag without quotes. `*` matches, and so does `"*"`, which some WHIP
/// clients send (RFC 9725 4.3.3). Weak tags never match (RFC 9110 8.8.3.2).
[[nodiscard]] IfMatch judge_if_match(const Fields& fields, std::string_view generation);

}  // namespace isotube::gateway
