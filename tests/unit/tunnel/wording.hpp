// Frames and events in words, so that a test reads like the exchange that it checks.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "tunnel/session.hpp"

namespace isotube::tunnel {

/// "Open 2 host:80", "Close 2 Error tube budget", "Data 2 text", "Data 2 [65519]" (over 40 bytes), "Window 2 131072"…
[[nodiscard]] std::string in_words(const frame::Frame& frame);
/// "Requested 2 host:80", "Opened 1", "Data 1 text", "Eof 1", "Writable 1", "Closed 1 Normal", "TubeClosed Error why"…
[[nodiscard]] std::string in_words(const Event& event);
/// All frames of a message, joined by " + ".
[[nodiscard]] std::string in_words(ByteView message);

}  // namespace isotube::tunnel
