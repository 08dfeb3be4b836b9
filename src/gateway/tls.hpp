// The gateway's certificate.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>

namespace isotube::gateway {

/// A server context of TLS 1.2 and up. The error says which file, and why.
[[nodiscard]] std::expected<std::shared_ptr<boost::asio::ssl::context>, std::string> load_tls(
    const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace isotube::gateway
