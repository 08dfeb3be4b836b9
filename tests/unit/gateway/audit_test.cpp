#include "gateway/audit.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <future>

namespace isotube::gateway {
namespace {

TEST(AuditLine, SaysWhoWentWhereAndHowItEnded) {
  const tube::ConnectionRecord record{.tube = "0123abcd",
                                      .owner = "alice",
                                      .target = "[2001:db8::1]:22",
                                      .bytes_up = 12,
                                      .bytes_down = 3'000'000'000,
                                      .duration = std::chrono::milliseconds(1250),
                                      .reason = tube::CloseReason::Normal,
                                      .message = ""};
  EXPECT_EQ(
      audit_line(record),
      "connection who=alice tube=0123abcd target=[2001:db8::1]:22 up=12 down=3000000000 seconds=1.250 reason=0 (" +
          std::string(frame::to_string(tube::CloseReason::Normal)) + ")");
}

TEST(AuditLine, StaysOneLineWhateverPeersChose) {
  tube::ConnectionRecord record;
  record.owner = "alice";
  record.target = "evil\nconnection who=root target=db:22";
  record.message = "say \"hi\"\\ \x1b[31m\xff";
  const std::string line = audit_line(record);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find(R"(target="evil\x0aconnection who=root target=db:22")"), std::string::npos) << line;
  EXPECT_NE(line.find(R"(message="say \"hi\"\\ \x1b[31m\xff")"), std::string::npos) << line;
}

TEST(LogQuoted, BoundsWhatItRepeats) {
  EXPECT_EQ(log_quoted(std::string(256, 'a')), std::string(256, 'a'));
  EXPECT_EQ(log_quoted(std::string(1000, 'a')), '"' + std::string(256, 'a') + "\"...");
  EXPECT_EQ(log_quoted(""), "\"\"");
}

/// A disk that hangs until it is let go.
class StuckSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void let_go() { go_.set_value(); }
  std::vector<std::string> lines;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    gone_.wait();
    lines.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush_() override {}

  std::promise<void> go_;
  std::shared_future<void> gone_ = go_.get_future().share();
};

TEST(BoundedLog, NeverWaitsForItsSinkAndDropsTheOldest) {
  const auto sink = std::make_shared<StuckSink>();
  {
    const BoundedLog log("test", sink, 4);
    for (int i = 0; i < 100; ++i) log.logger()->info("{}", i);
    EXPECT_GE(log.dropped(), 90U);
    sink->let_go();
  }
  ASSERT_FALSE(sink->lines.empty());
  EXPECT_EQ(sink->lines.back(), "99");
  EXPECT_LE(sink->lines.size(), 6U);
}

}  // namespace
}  // namespace isotube::gateway
