// One HTTP request and its response, as values: what the routes see, whatever server read them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.hpp"

namespace isotube::gateway {

/// Header fields in order; names are compared without case.
class Fields {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// The first of that name; empty if there is none.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// All values of that name with ", " between (RFC 9110 5.3).
  [[nodiscard]] std::string joined(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;
  std::string target;  ///< as in the request line
  Fields fields;
  std::string body;
  Address source;   ///< the client
  IpAddress local;  ///< where its connection arrived
  bool secure = false;
};

struct Response {
  unsigned status = 200;
  Fields fields;
  std::string body;
};

}  // namespace isotube::gateway
