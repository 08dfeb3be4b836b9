// UTF-8 as RFC 3629 has it: what of a text that came from the network may be shown, logged and put into JSON.
#pragma once

#include <cstddef>
#include <string_view>

namespace isotube::frame {

/// No overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off (RFC 3629 3 and 4).
[[nodiscard]] bool is_utf8(std::string_view text);

/// The longest head of `text` of at most `size` bytes that ends between two code points.
[[nodiscard]] std::string_view utf8_head(std::string_view text, std::size_t size);

}  // namespace isotube::frame
