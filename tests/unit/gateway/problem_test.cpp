#include "gateway/problem.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <set>

namespace isotube::gateway {
namespace {

boost::json::object document_of(const Problem& problem) {
  return boost::json::parse(problem.response().body).as_object();
}

TEST(Problem, IsADocumentOfRfc9457) {
  const Problem problem{ProblemKind::UnusableDescription, "line 7: no fingerprint", 7};
  EXPECT_EQ(problem.response().status, 422U);
  EXPECT_EQ(problem.response().fields.get("content-type"), "application/problem+json");
  const auto document = document_of(problem);
  EXPECT_EQ(document.at("type"), "urn:isotube:problem:unusable-description");
  EXPECT_EQ(document.at("title"), "The session description can't work");
  EXPECT_EQ(document.at("status"), 422);
  EXPECT_EQ(document.at("detail"), "line 7: no fingerprint");
  EXPECT_EQ(document.at("line"), 7);
}

TEST(Problem, StaysJsonWhateverClientsSent) {
  const auto document = document_of({ProblemKind::BadTarget, "target '\xff\"\\\n\x01'"});
  EXPECT_EQ(document.at("detail"),
            "target '?\"\\?"
            "?'");
  EXPECT_FALSE(document.contains("line"));
}

TEST(Problem, SaysWhenToComeBackWhereThatHelps) {
  for (const ProblemKind kind : {ProblemKind::TooManyCreates, ProblemKind::Overloaded, ProblemKind::Draining}) {
    EXPECT_NE((Problem{kind, ""}.response().fields.get("Retry-After")), "");
  }
  EXPECT_EQ((Problem{ProblemKind::BadRequest, ""}.response().fields.count("Retry-After")), 0U);
}

TEST(Problem, ChallengesForAToken) {
  EXPECT_TRUE((Problem{ProblemKind::TokenNeeded, ""}.response().fields.get("WWW-Authenticate").starts_with("Bearer")));
  EXPECT_TRUE((Problem{ProblemKind::TokenUnknown, ""}
                   .response()
                   .fields.get("WWW-Authenticate")
                   .ends_with(R"(error="invalid_token")")));
  EXPECT_EQ((Problem{ProblemKind::ForeignOrigin, ""}.response().fields.count("WWW-Authenticate")), 0U);
}

TEST(Problem, HasTheStatusOfItsKind) {
  for (const auto& [kind, status] : std::vector<std::pair<ProblemKind, unsigned>>{
           {ProblemKind::BadRequest, 400},
           {ProblemKind::UnknownConversation, 400},
           {ProblemKind::MalformedDescription, 400},
           {ProblemKind::TokenNeeded, 401},
           {ProblemKind::TargetNotAllowed, 403},
           {ProblemKind::ForeignHost, 403},
           {ProblemKind::NotFound, 404},
           {ProblemKind::MethodNotAllowed, 405},
           {ProblemKind::RestartNotAvailable, 409},
           {ProblemKind::StaleGeneration, 412},
           {ProblemKind::BodyTooLarge, 413},
           {ProblemKind::WrongMediaType, 415},
           {ProblemKind::UnusableDescription, 422},
           {ProblemKind::GenerationNeeded, 428},
           {ProblemKind::TooManyCreates, 429},
           {ProblemKind::Draining, 503},
       }) {
    EXPECT_EQ((Problem{kind, ""}.status()), status);
  }
}

}  // namespace
}  // namespace isotube::gateway
