// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/chap.hpp"

#include <gtest/gtest.h>

#include <map>

#include "gateway/iscsi/text.hpp"
#include "storage_object/base/chap_secret.hpp"

namespace caisson::iscsi {
namespace {

constexpr std::string_view kSecret = "secret-12345";
constexpr std::string_view kBack = "other-secret";
const ChapCredentials kBoth{"alice", kSecret, "gateway", kBack};

std::vector<std::byte> counting(std::size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

std::map<std::string, std::string> keys_of(const std::string& text) {
  std::map<std::string, std::string> keys;
  auto pairs = parse_text(text);
  for (const auto& pair : *pairs) keys.emplace(pair.key, pair.value);
  return keys;
}

/// An exchange up to the challenge, and what an initiator makes of it.
struct Conversation {
  explicit Conversation(const ChapCredentials& credentials, std::string_view algorithm = "7")
      : exchange(credentials) {
    std::string text;
    auto begun = exchange.begin(algorithm, text);
    if (!begun) {
      failure = begun.error().message;
      return;
    }
    keys = keys_of(text);
  }
  std::string respond(std::string_view secret) const {
    return format_binary(chap_response(static_cast<ChapAlgorithm>(std::stoi(keys.at("CHAP_A"))),
                                       static_cast<std::uint8_t>(std::stoi(keys.at("CHAP_I"))),
                                       secret, *parse_binary(keys.at("CHAP_C"), 1024)));
  }
  std::string finish(const ChapExchange::Reply& reply) {
    answer.clear();
    auto done = exchange.finish(reply, answer);
    return done ? std::string() : done.error().message;
  }
  ChapExchange exchange;
  std::map<std::string, std::string> keys;
  std::string failure, answer;
};

// Identifier 2A, "secret-12345", challenge 00…0F; by another implementation.
TEST(Chap, ResponsesOfAllAlgorithms) {
  const std::pair<ChapAlgorithm, const char*> vectors[] = {
      {ChapAlgorithm::md5, "0xcee3549fe9c5b090e90a26d6371af70a"},
      {ChapAlgorithm::sha1, "0x9814bac354134b10155d22db38275edf58d51edb"},
      {ChapAlgorithm::sha256, "0x1647414c3cfa1b283568d354879bb761edc5019c96648e7dd51fe36ff82a9c57"},
      {ChapAlgorithm::sha3_256,
       "0x3f2d0ea19314a33729b14c86b5ea08ac82be456065e05f3f2c69def11e772a64"},
  };
  for (const auto& [algorithm, expected] : vectors) {
    auto response = chap_response(algorithm, 0x2a, kSecret, counting(16));
    EXPECT_EQ(format_binary(response), expected);
    EXPECT_EQ(response.size(), chap_digest_length(algorithm));
  }
}

TEST(Chap, BothDirectionsWithEveryAlgorithm) {
  for (const char* algorithm : {"5", "6", "7", "8"}) {
    Conversation talk(kBoth, algorithm);
    ASSERT_EQ(talk.failure, "");
    EXPECT_EQ(talk.keys["CHAP_A"], algorithm);
    auto mine = counting(20);
    auto proof = talk.respond(kSecret), challenge = format_binary(mine);
    EXPECT_EQ(talk.finish({"alice", proof, "9", challenge}), "");
    auto keys = keys_of(talk.answer);
    EXPECT_EQ(keys["CHAP_N"], "gateway");
    EXPECT_EQ(keys["CHAP_R"],
              format_binary(
                  chap_response(static_cast<ChapAlgorithm>(std::stoi(algorithm)), 9, kBack, mine)));
  }
}

TEST(Chap, ChallengesDiffer) {
  EXPECT_NE(Conversation(kBoth).keys["CHAP_C"], Conversation(kBoth).keys["CHAP_C"]);
}

TEST(Chap, TheLogNamesTheMismatchAndNoSecret) {
  auto expect = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find(kSecret), std::string::npos);
    EXPECT_EQ(message.find(kBack), std::string::npos);
  };
  Conversation talk(kBoth);
  auto good = talk.respond(kSecret), bad = talk.respond("wrong-secret");
  expect(talk.finish({"bob", good, {}, {}}), "user 'bob' is unknown");
  expect(talk.finish({"alice", bad, {}, {}}), "response of 'alice' is wrong");
  expect(talk.finish({"alice", "0xzz", {}, {}}), "malformed");
  expect(talk.finish({"alice", {}, {}, {}}), "missing");
  expect(talk.finish({"alice", good, "1", {}}), "missing");
  expect(talk.finish({"alice", good, "256", "0x01"}), "malformed");
  expect(talk.finish({"alice", good, "1", talk.keys["CHAP_C"]}), "reflection");
  expect(Conversation(kBoth, "99").failure, "no common CHAP algorithm");
  expect(Conversation({"alice", kSecret, "gateway", kSecret}).failure, "both directions");
  expect(Conversation({"alice", "short", {}, {}}).failure, "12 to 16");
  Conversation one_way({"alice", kSecret, {}, {}});
  expect(one_way.finish({"alice", one_way.respond(kSecret), "1", "0x01"}), "mutual");
}

TEST(Chap, AcceptsBase64AndPrefersTheInitiatorsOrder) {
  EXPECT_EQ(choose_chap_algorithm("12,6,7"), ChapAlgorithm::sha1);
  EXPECT_EQ(choose_chap_algorithm(""), std::nullopt);
  Conversation talk(kBoth, "5");
  // 16 bytes in base64 are 24 characters.
  auto digest = *parse_binary(talk.respond(kSecret), 16);
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text = "0b";
  for (std::size_t i = 0; i < 16; i += 3) {
    unsigned v = 0;
    for (std::size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < 16 ? std::to_integer<unsigned>(digest[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k > 16 ? '=' : kAlphabet[v >> (18 - 6 * k) & 63];
  }
  EXPECT_EQ(talk.finish({"alice", text, {}, {}}), "");
}

TEST(Chap, SecretsHaveALength) {
  EXPECT_FALSE(valid_chap_secret("elevenchars"));
  EXPECT_TRUE(valid_chap_secret("twelve-chars"));
  EXPECT_TRUE(valid_chap_secret("sixteen--letters"));
  EXPECT_FALSE(valid_chap_secret("seventeen-letters"));
  EXPECT_FALSE(valid_chap_secret("twelve chars"));
}

}  // namespace
}  // namespace caisson::iscsi
