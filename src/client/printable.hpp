// Text that came from elsewhere, made fit for one line on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace isotube::client {

/// `text` with control characters (escape sequences begin with one) as '?', cut at 300 bytes.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace isotube::client
