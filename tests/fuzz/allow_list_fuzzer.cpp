// USES gateway
//
// An allow list (the first line, rules between blanks) and a target (the rest): read without an exception, and nothing
// that is refused as a target by one reading is let in by another.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "gateway/allow_list.hpp"

using isotube::IpAddress;
using isotube::gateway::AllowList;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::istringstream words(text.substr(0, end));
  std::vector<std::string> rules;
  for (std::string word; words >> word;) rules.push_back(word);
  const auto list = AllowList::parse(rules);
  const isotube::tube::Target target{text.substr(std::min(end + 1, text.size())), 80};
  const IpAddress metadata = IpAddress::v4({169, 254, 169, 254});
  if (list) {
    const bool allowed = list->allows(target);
    if (list->allows_resolved(target, metadata) && !allowed) std::abort();
  }
  const std::vector<std::string> anything = {"tcp:*:*"};
  if (AllowList::parse(anything)->allows_resolved(target, metadata)) std::abort();
  return 0;
}
