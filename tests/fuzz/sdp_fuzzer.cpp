// USES sdp
//
// Descriptions and fragments of any bytes: read without an exception, and what was read is written in a form that
// reads as the same.
#include <cstdint>
#include <cstdlib>

#include "sdp/description.hpp"

namespace {

using isotube::sdp::Description;
using isotube::sdp::Type;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_description(Type type, std::string_view text) {
  const auto description = isotube::sdp::parse(type, text);
  if (!description) {
    require(!description.error().what.empty());
    return;
  }
  require(description->candidates.size() <= isotube::sdp::kMaxCandidates);
  require(!description->fingerprints.empty());
  const auto again = isotube::sdp::parse(type, to_string(*description));
  require(again.has_value() && *again == *description);
}

void check_fragment(std::string_view text) {
  const auto fragment = isotube::sdp::parse_fragment(text);
  if (!fragment) return;
  const auto again = isotube::sdp::parse_fragment(to_string(*fragment));
  require(again.has_value() && *again == *fragment);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > isotube::sdp::kMaxDescription / 2) return 0;  // what is written is a little longer than what was read
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_description(Type::Offer, text);
  check_description(Type::Answer, text);
  check_fragment(text);
  return 0;
}
