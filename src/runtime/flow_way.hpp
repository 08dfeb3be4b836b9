// What all flows have in common: their states, and how they end. Included by the flows' sources only.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "runtime/flow.hpp"

namespace isotube::runtime {

/// Legal steps: Opening → Open → Closing → Done; any → Done. Its Flow owns it; pending operations hold it weakly.
class Flow::Way : public std::enable_shared_from_this<Way> {
 public:
  Way(Strand strand, Server server, Callbacks callbacks);
  virtual ~Way() = default;
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;

  void begin();
  virtual SendResult send(ByteView bytes, std::size_t segment_size) = 0;
  [[nodiscard]] virtual bool blocked() const = 0;
  void close();
  /// Ends it without a word to its owner.
  void abandon() noexcept;
  [[nodiscard]] virtual Counters counters() const { return counters_; }

 protected:
  enum class State : std::uint8_t { Opening, Open, Closing, Done };

  /// What one turn may do before others get theirs.
  static constexpr std::size_t kTurnDatagrams = 256;
  static constexpr std::size_t kTurnBytes = std::size_t{256} << 10;
  static constexpr Duration kTurnTime = std::chrono::milliseconds(5);
  /// What close() gives to what was sent before it.
  static constexpr Duration kCloseLimit = std::chrono::seconds(1);

  /// Opens what there is to open.
  virtual void start() = 0;
  /// The flow was Open and is Closing now: leads to finish().
  virtual void start_closing() = 0;
  /// Closes descriptors. Nothing comes afterwards.
  virtual void shut() noexcept = 0;

  [[nodiscard]] const Strand& strand() const { return strand_; }
  [[nodiscard]] const Server& server() const { return server_; }
  [[nodiscard]] const Callbacks& callbacks() const { return callbacks_; }
  [[nodiscard]] State state() const { return state_; }
  void count_dropped() { ++counters_.dropped; }

  void opened(const Address& local);
  void fail(const std::string& reason);
  void fail(const boost::system::error_code& error) { fail(explain(error)); }
  /// The end of Closing.
  void finish();

  /// Does `body` later on the strand.
  template <typename Body>
  void post(Body body) {
    boost::asio::post(strand_, [weak = weak_from_this(), body = std::move(body)] {
      if (const std::shared_ptr<Way> self = weak.lock()) self->run(body);
    });
  }
  /// A handler for an operation of Asio's that does `body` unless the operation was cancelled.
  template <typename Body>
  [[nodiscard]] auto handler(Body body) {
    return [weak = weak_from_this(), body = std::move(body)](const boost::system::error_code& error) {
      const std::shared_ptr<Way> self = weak.lock();
      if (!error && self) self->run(body);
    };
  }

 private:
  /// What a handler is for. An exception ends this flow and nothing else.
  template <typename Body>
  void run(const Body& body) noexcept {
    if (state_ == State::Done) return;
    try {
      body();
    } catch (...) {
      fail_by_exception();
    }
  }
  void fail_by_exception() noexcept;
  [[nodiscard]] std::string explain(const boost::system::error_code& error) const;

  Strand strand_;
  Server server_;
  Callbacks callbacks_;
  State state_ = State::Opening;
  Counters counters_;
  boost::asio::steady_timer close_limit_;
};

[[nodiscard]] std::shared_ptr<Flow::Way> make_datagram_way(Strand strand, Flow::Server server,
                                                           Flow::Callbacks callbacks);
[[nodiscard]] std::shared_ptr<Flow::Way> make_stream_way(Strand strand, Flow::Server server, TlsTrust trust,
                                                         Flow::Callbacks callbacks);

}  // namespace isotube::runtime
