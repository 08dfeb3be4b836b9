#include "unit/tunnel/wording.hpp"

#include <utility>

namespace isotube::tunnel {
namespace {

std::string number(ConnNo conn_no) { return " " + std::to_string(std::to_underlying(conn_no)); }

std::string content(ByteView bytes) {
  constexpr std::size_t kLongest = 40;
  if (bytes.size() > kLongest) return " [" + std::to_string(bytes.size()) + "]";
  return bytes.empty() ? "" : " " + std::string(as_text(bytes));
}

std::string why(CloseReason reason, std::string_view message) {
  return " " + std::string(to_string(reason)) + (message.empty() ? "" : " " + std::string(message));
}

struct FrameWords {
  std::string operator()(const frame::Ping& ping) const { return "Ping" + number(ping.conn_no) + content(ping.echo); }
  std::string operator()(const frame::Pong& pong) const { return "Pong" + number(pong.conn_no) + content(pong.echo); }
  std::string operator()(const frame::OpenConnection& open) const {
    return "Open" + number(open.conn_no) + (open.target ? " " + open.target->to_string() : "");
  }
  std::string operator()(const frame::CloseConnection& close) const {
    return "Close" + number(close.conn_no) + why(close.reason, close.message);
  }
  std::string operator()(const frame::ConnectionOpened& opened) const { return "Opened" + number(opened.conn_no); }
  std::string operator()(const frame::SendEof& eof) const { return "Eof" + number(eof.conn_no); }
  std::string operator()(const frame::WindowUpdate& update) const {
    return "Window" + number(update.conn_no) + " " + std::to_string(update.credit);
  }
  std::string operator()(const frame::Hello& hello) const {
    return "Hello " + std::to_string(hello.version) + " " + std::to_string(hello.capabilities);
  }
  std::string operator()(const frame::RestartNeeded&) const { return "RestartNeeded"; }
  std::string operator()(const frame::UnknownControl& unknown) const {
    return "Unknown " + std::to_string(unknown.code);
  }
};

struct EventWords {
  std::string operator()(const OpenRequested& event) const {
    return "Requested" + number(event.conn_no) + " " + event.target.to_string();
  }
  std::string operator()(const ConnectionOpened& event) const { return "Opened" + number(event.conn_no); }
  std::string operator()(const Data& event) const {
    return "Data" + number(event.conn_no) + content(event.payload.view());
  }
  std::string operator()(const Eof& event) const { return "Eof" + number(event.conn_no); }
  std::string operator()(const Writable& event) const { return "Writable" + number(event.conn_no); }
  std::string operator()(const ConnectionClosed& event) const {
    return "Closed" + number(event.conn_no) + why(event.reason, event.message);
  }
  std::string operator()(const PongReceived& event) const {
    return "Pong" + number(event.conn_no) + content(event.echo);
  }
  std::string operator()(const RestartNeeded&) const { return "RestartNeeded"; }
  std::string operator()(const TubeClosed& event) const { return "TubeClosed" + why(event.reason, event.message); }
};

}  // namespace

std::string in_words(const frame::Frame& frame) {
  if (frame.conn_no != frame::kControl) return "Data" + number(frame.conn_no) + content(frame.payload);
  const auto control = frame::parse_control(frame.payload);
  return control ? std::visit(FrameWords{}, *control) : "unreadable";
}

std::string in_words(const Event& event) { return std::visit(EventWords{}, event); }

std::string in_words(ByteView message) {
  std::string words;
  while (!message.empty()) {
    const auto frame = frame::take_frame(message, frame::kMaxFrame);
    if (!frame) return words + " + unreadable";
    words += (words.empty() ? "" : " + ") + in_words(*frame);
  }
  return words;
}

}  // namespace isotube::tunnel
