// A flow over UDP: a connected socket, batches both ways.
#include <boost/asio/error.hpp>
#include <optional>
#include <vector>

#include "runtime/flow_way.hpp"
#include "runtime/udp_socket.hpp"

namespace isotube::runtime {
namespace {

std::string_view describe(UdpSocket::OpenError error) {
  switch (error) {
    case UdpSocket::OpenError::FamilyUnavailable:
      return "this machine has no addresses of that family";
    case UdpSocket::OpenError::NoDescriptor:
      return "no descriptor is left for a socket";
    case UdpSocket::OpenError::PortsExhausted:
      return "no UDP port is left";
    case UdpSocket::OpenError::Refused:
      break;
  }
  return "the kernel gives no UDP socket";
}

class DatagramWay final : public Flow::Way {
 public:
  using Way::Way;

  Flow::SendResult send(ByteView bytes, std::size_t segment_size) override {
    if (state() != State::Open || blocked()) {
      count_dropped();
      return blocked() ? Flow::SendResult::Blocked : Flow::SendResult::Done;
    }
    if (socket_->send(path_, bytes, segment_size) == UdpSocket::SendResult::Done) return Flow::SendResult::Done;
    wait_writable();
    return Flow::SendResult::Blocked;
  }

  [[nodiscard]] bool blocked() const override { return socket_ && socket_->blocked(); }

  [[nodiscard]] Flow::Counters counters() const override {
    Flow::Counters counters = Way::counters();
    if (!socket_) return counters;
    counters.dropped += socket_->counters().datagrams_dropped;
    counters.refused += socket_->counters().refused;
    return counters;
  }

 private:
  void start() override {
    // A port of the kernel's choice: nothing is drawn.
    Random unused(Random::Seed{});
    const Family family = server().address.ip.is_v4() ? Family::V4 : Family::V6;
    auto socket = UdpSocket::open(strand(), family, std::nullopt, unused);
    if (!socket) return fail(std::string(describe(socket.error())));
    const auto local = socket->connect(server().address);
    if (!local) return fail(local.error());
    socket_.emplace(*std::move(socket));
    path_ = {*local, server().address};
    wait_readable();
    opened(*local);
  }

  void start_closing() override {
    if (!blocked()) finish();
  }

  void shut() noexcept override { socket_.reset(); }

  void wait_readable() {
    socket_->wait_readable(handler([this] { receive(); }));
  }

  void wait_writable() {
    socket_->wait_writable(handler([this] {
      if (socket_->flush() == UdpSocket::SendResult::Blocked) return wait_writable();
      if (state() == State::Closing) return finish();
      callbacks().writable();
    }));
  }

  void receive() {
    const TimePoint begin = now();
    std::size_t datagrams = 0;
    std::size_t bytes = 0;
    while (state() == State::Open) {
      const std::span<const Datagram> batch = socket_->receive(kTurnBytes - bytes);
      if (batch.empty()) {
        if (nobody_listens()) return fail(boost::asio::error::make_error_code(boost::asio::error::connection_refused));
        return wait_readable();
      }
      datagrams += batch.size();
      for (const Datagram& each : batch) bytes += each.bytes.size();
      hand_over(batch);
      if (datagrams >= kTurnDatagrams || bytes >= kTurnBytes || now() - begin >= kTurnTime) {
        return post([this] { receive(); });
      }
    }
  }

  void hand_over(std::span<const Datagram> batch) {
    pieces_.clear();
    for (const Datagram& each : batch) {
      // Until it was connected the socket took anybody's.
      if (each.path.remote == server().address) pieces_.push_back(each.bytes);
    }
    if (pieces_.empty()) return;
    heard_ = true;
    callbacks().received(pieces_);
  }

  /// ICMP is easily forged, and a server that restarts is silent for a moment only.
  [[nodiscard]] bool nobody_listens() const { return !heard_ && socket_->counters().refused > 0; }

  std::optional<UdpSocket> socket_;
  Path path_;
  bool heard_ = false;
  std::vector<ByteView> pieces_;
};

}  // namespace

std::shared_ptr<Flow::Way> make_datagram_way(Strand strand, Flow::Server server, Flow::Callbacks callbacks) {
  return std::make_shared<DatagramWay>(std::move(strand), std::move(server), std::move(callbacks));
}

}  // namespace isotube::runtime
