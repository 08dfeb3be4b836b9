// USES gateway
//
// A token file of any bytes: read without an exception, and errors do not repeat what stands where a token does.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/token_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = isotube::gateway::TokenFile::parse(text);
  if (!file) return 0;
  if (file->size() == 0 || file->find_token("") || file->find_name("")) std::abort();
  (void)file->find_token(text);
  return 0;
}
