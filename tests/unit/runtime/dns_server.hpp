// A name server on loopback that does what a test says.
#pragma once

#include <array>
#include <boost/asio/ip/udp.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace isotube::runtime {

/// Asks `script` what to answer to each question (RFC 1035 4).
class DnsServer {
 public:
  struct Answer {
    enum class Kind { Addresses, NoSuchName, ServerFailure, Silence };
    Kind kind = Kind::Addresses;
    std::vector<IpAddress> addresses;  ///< those of the asked family are given
  };
  using Script = std::function<Answer(const std::string& name, bool v6)>;

  DnsServer(boost::asio::io_context& context, Script script)
      : socket_(context, {boost::asio::ip::address_v4::loopback(), 0}), script_(std::move(script)) {
    receive();
  }

  [[nodiscard]] Address address() const { return {*IpAddress::parse("127.0.0.1"), socket_.local_endpoint().port()}; }
  [[nodiscard]] std::size_t questions() const { return questions_; }

 private:
  static constexpr std::uint16_t kTypeA = 1;
  static constexpr std::uint16_t kTypeAaaa = 28;

  void receive() {
    socket_.async_receive_from(boost::asio::buffer(question_), from_, [this](auto error, std::size_t size) {
      if (error) return;
      answer(ByteView(question_).first(size));
      receive();
    });
  }

  void answer(ByteView question) {
    ++questions_;
    ByteReader reader(question);
    const std::uint16_t id = reader.u16();
    reader.skip(10);
    std::string name;
    const ByteView body = reader.rest();
    for (std::uint8_t length = reader.u8(); length != 0 && reader.ok(); length = reader.u8()) {
      if (!name.empty()) name += '.';
      name += as_text(reader.bytes(length));
    }
    const std::uint16_t type = reader.u16();
    reader.skip(2);
    if (!reader.ok()) return;
    const Answer what = script_(name, type == kTypeAaaa);
    if (what.kind == Answer::Kind::Silence) return;
    send(id, type, body.first(body.size() - reader.remaining()), what);
  }

  void send(std::uint16_t id, std::uint16_t type, ByteView question, const Answer& what) {
    std::vector<IpAddress> fitting;
    for (const IpAddress& each : what.addresses) {
      if (each.is_v6() == (type == kTypeAaaa)) fitting.push_back(each);
    }
    Bytes out;
    BytesWriter writer(out);
    writer.u16(id);
    std::uint16_t flags = 0x8180;
    if (what.kind == Answer::Kind::NoSuchName) flags |= 3;
    if (what.kind == Answer::Kind::ServerFailure) flags |= 2;
    writer.u16(flags);
    writer.u16(1);
    writer.u16(static_cast<std::uint16_t>(fitting.size()));
    writer.u32(0);
    writer.bytes(question);
    for (const IpAddress& each : fitting) {
      writer.u16(0xC00C);
      writer.u16(type);
      writer.u16(1);
      writer.u32(60);
      writer.u16(static_cast<std::uint16_t>(each.octets().size()));
      writer.bytes(std::as_bytes(each.octets()));
    }
    boost::system::error_code ignored;
    socket_.send_to(boost::asio::buffer(out), from_, 0, ignored);
  }

  boost::asio::ip::udp::socket socket_;
  boost::asio::ip::udp::endpoint from_;
  std::array<std::byte, 1500> question_{};
  std::size_t questions_ = 0;
  Script script_;
};

}  // namespace isotube::runtime
