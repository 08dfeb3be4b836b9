// The tubes of a process, by id.
#pragma once

#include <cstddef>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tube/tube.hpp"

namespace isotube::tube {

/// Holds open tubes; a tube is taken out when it closes. Thread-safe.
class TubeRegistry {
 public:
  void add(std::shared_ptr<Tube> tube);
  /// Nothing if there is no such tube (any more).
  [[nodiscard]] std::shared_ptr<Tube> find(const std::string& id) const;
  void remove(const std::string& id);
  [[nodiscard]] std::vector<std::shared_ptr<Tube>> list() const;
  [[nodiscard]] std::size_t size() const;

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Tube>> tubes_;
};

}  // namespace isotube::tube
