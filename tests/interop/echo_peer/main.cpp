// Isotube's peer as a program: signalled in lines of JSON on standard input and output, it serves an examiner.
//
//   {"do":"serve","messageSize":N,"negotiatedId":N}   first                    → {"done":"serve"}
//   {"do":"offer"}                                                             → {"sdp":…}
//   {"do":"accept","sdp":ANSWER}                      after an offer           → {"done":"accept"}
//   {"do":"answer","sdp":OFFER}                       instead of both          → {"sdp":…}
//
// The end of input closes the connection and ends it with 0. What goes wrong is told as {"error":…} and ends it with 1;
// so do eight minutes, whatever happens.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <stdexcept>

#include "dtls/certificate.hpp"
#include "peer/peer.hpp"
#include "sdp/description.hpp"
#include "service.hpp"
#include "sockets.hpp"

namespace isotube::interop {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kLongest(8);

TimePoint steady_now() { return TimePoint(std::chrono::steady_clock::now().time_since_epoch()); }

Random::Seed system_seed() {
  Random::Seed seed;
  if (getentropy(seed.data(), seed.size()) != 0) throw std::runtime_error("the system gives no random bytes");
  return seed;
}

std::int64_t unix_seconds() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

sdp::Description read_description(sdp::Type type, const json::object& request) {
  const auto description = sdp::parse(type, request.at("sdp").as_string());
  if (description) return *description;
  throw std::runtime_error("line " + std::to_string(description.error().line) + ": " + description.error().what);
}

void say(const json::object& message) { std::cout << json::serialize(message) << std::endl; }

class Program {
 public:
  Program()
      : peer_(peer::Settings{}, Random(system_seed()), pool_, dtls::Certificate::generate(unix_seconds())),
        service_(peer_, pool_) {
    for (const Address& address : sockets_.local_addresses()) peer_.add_local_address(steady_now(), address);
    peer_.end_of_local_addresses(steady_now());
    pump();
  }

  void run() {
    const TimePoint end = steady_now() + kLongest;
    while (!input_ended_) {
      if (steady_now() > end) throw std::runtime_error("eight minutes are over");
      wait(std::min(end, peer_.next_timeout()));
      while (const auto received = sockets_.receive()) {
        peer_.handle_datagram(steady_now(), received->path, received->datagram);
        pump();
      }
      peer_.handle_timeout(steady_now());
      pump();
    }
    peer_.close(steady_now());
    pump();
  }

 private:
  void wait(TimePoint until) {
    std::vector<pollfd> watched = {{STDIN_FILENO, POLLIN, 0}};
    for (const int descriptor : sockets_.descriptors()) watched.push_back({descriptor, POLLIN, 0});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_now()).count();
    (void)poll(watched.data(), watched.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000)));
    if (watched[0].revents != 0) read_input();
  }

  void read_input() {
    std::array<char, 4096> chunk;
    const ssize_t length = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (length <= 0) {
      input_ended_ = true;
      return;
    }
    input_.append(chunk.data(), static_cast<std::size_t>(length));
    for (std::size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
      handle_request(json::parse(std::string_view(input_).substr(0, end)).as_object());
    }
  }

  void handle_request(const json::object& request) {
    const json::string& what = request.at("do").as_string();
    if (what == "serve") {
      service_.set_limits(
          {request.at("messageSize").to_number<std::size_t>(), request.at("negotiatedId").to_number<std::uint16_t>()});
      say({{"done", what}});
    } else if (what == "offer") {
      say({{"sdp", sdp::to_string(peer_.create_offer(steady_now()))}});
    } else if (what == "answer") {
      const auto answer = peer_.accept_offer(steady_now(), read_description(sdp::Type::Offer, request));
      if (!answer) throw std::runtime_error("the offer can't be accepted");
      say({{"sdp", sdp::to_string(*answer)}});
    } else if (what == "accept") {
      const sdp::Description answer = read_description(sdp::Type::Answer, request);
      if (!peer_.set_answer(steady_now(), answer)) throw std::runtime_error("the answer can't be accepted");
      say({{"done", what}});
    } else {
      throw std::runtime_error("unknown request");
    }
    pump();
  }

  void pump() {
    while (auto event = peer_.poll_event()) service_.handle_event(steady_now(), std::move(*event));
    while (peer_.poll_transmit(steady_now(), *batch_)) {
      for (ByteView rest = batch_->bytes(); !rest.empty();) {
        const ByteView datagram = rest.first(std::min(rest.size(), batch_->segment_size()));
        sockets_.send(batch_->path(), datagram);
        rest = rest.subspan(datagram.size());
      }
      while (auto event = peer_.poll_event()) service_.handle_event(steady_now(), std::move(*event));
    }
  }

  Sockets sockets_;
  BufferPool pool_;
  peer::Peer peer_;
  Service service_;
  std::unique_ptr<peer::TransmitBatch> batch_ = std::make_unique<peer::TransmitBatch>();
  std::string input_;
  bool input_ended_ = false;
};

}  // namespace
}  // namespace isotube::interop

int main() {
  try {
    isotube::interop::Program().run();
    return 0;
  } catch (const std::exception& problem) {
    isotube::interop::say({{"error", problem.what()}});
    return 1;
  }
}
