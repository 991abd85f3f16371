// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/chap.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "gateway/iscsi/text.hpp"
#include "storage_object/base/chap_secret.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/random.hpp"

namespace caisson::iscsi {
namespace {

struct Row {
  ChapAlgorithm algorithm;
  const EVP_MD* (*digest)();
  std::size_t length;
};

constexpr Row kAlgorithms[] = {
    {ChapAlgorithm::md5, EVP_md5, 16},
    {ChapAlgorithm::sha1, EVP_sha1, 20},
    {ChapAlgorithm::sha256, EVP_sha256, 32},
    {ChapAlgorithm::sha3_256, EVP_sha3_256, 32},
};

const Row& row_of(ChapAlgorithm algorithm) {
  for (const auto& row : kAlgorithms)
    if (row.algorithm == algorithm) return row;
  throw std::logic_error("no such CHAP algorithm");
}

Failure refuse(std::string why) { return failure(Errc::permission_denied, std::move(why)); }

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool same(std::string_view a, std::string_view b) {
  return same(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

}  // namespace

std::optional<ChapAlgorithm> choose_chap_algorithm(std::string_view list) {
  for (auto item : split_list(list)) {
    auto number = parse_number(item);
    for (const auto& row : kAlgorithms)
      if (number && *number == static_cast<std::uint64_t>(row.algorithm)) return row.algorithm;
  }
  return std::nullopt;
}

std::size_t chap_digest_length(ChapAlgorithm algorithm) noexcept {
  return row_of(algorithm).length;
}

std::vector<std::byte> chap_response(ChapAlgorithm algorithm, std::uint8_t identifier,
                                     std::string_view secret,
                                     std::span<const std::byte> challenge) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                  EVP_MD_CTX_free);
  std::vector<std::byte> out(row_of(algorithm).length);
  if (!context || EVP_DigestInit_ex(context.get(), row_of(algorithm).digest(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), &identifier, 1) != 1 ||
      EVP_DigestUpdate(context.get(), secret.data(), secret.size()) != 1 ||
      EVP_DigestUpdate(context.get(), challenge.data(), challenge.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1)
    throw std::runtime_error("OpenSSL does not offer a CHAP digest");
  return out;
}

Outcome<> ChapExchange::begin(std::string_view algorithms, std::string& answer) {
  if (!valid_chap_secret(credentials_.secret))
    return refuse("the host's CHAP secret is not 12 to 16 printable characters");
  if (!credentials_.mutual_secret.empty() && same(credentials_.secret, credentials_.mutual_secret))
    return refuse("the host has the same CHAP secret for both directions");
  auto chosen = choose_chap_algorithm(algorithms);
  if (!chosen)
    return refuse(
        fmt::format("no common CHAP algorithm: CHAP_A={}, known are 5,6,7,8", algorithms));
  algorithm_ = *chosen;
  challenge_.resize(row_of(algorithm_).length);
  fill_random(challenge_);
  fill_random(std::as_writable_bytes(std::span(&identifier_, 1)));
  append_text(answer, "CHAP_A", std::to_string(static_cast<unsigned>(algorithm_)));
  append_text(answer, "CHAP_I", std::to_string(identifier_));
  append_text(answer, "CHAP_C", format_binary(challenge_));
  return {};
}

Outcome<> ChapExchange::finish(const Reply& reply, std::string& answer) {
  if (challenge_.empty()) return refuse("CHAP_R before CHAP_A");
  if (!reply.name || !reply.response) return refuse("CHAP_N or CHAP_R is missing");
  auto digest = parse_binary(*reply.response, kMaxChapChallenge);
  if (!digest) return refuse("CHAP_R is malformed");
  // Both are computed before either is judged: a wrong user costs as much time.
  auto expected = chap_response(algorithm_, identifier_, credentials_.secret, challenge_);
  bool proved = same(*digest, expected);
  if (!same(*reply.name, credentials_.user))
    return refuse(fmt::format("CHAP user '{}' is unknown for this host", *reply.name));
  if (!proved) return refuse(fmt::format("CHAP response of '{}' is wrong", *reply.name));
  if (!reply.identifier && !reply.challenge) return {};
  return prove(reply, answer);
}

Outcome<> ChapExchange::prove(const Reply& reply, std::string& answer) {
  if (!reply.identifier || !reply.challenge) return refuse("one of CHAP_I and CHAP_C is missing");
  auto number = parse_number(*reply.identifier);
  auto challenge = parse_binary(*reply.challenge, kMaxChapChallenge);
  if (!number || *number > 255 || !challenge || challenge->empty())
    return refuse("the initiator's CHAP_I or CHAP_C is malformed");
  if (same(*challenge, challenge_))
    return refuse("the initiator sent our own CHAP challenge back (reflection)");
  if (credentials_.mutual_user.empty() || !valid_chap_secret(credentials_.mutual_secret))
    return refuse("the initiator asks for mutual CHAP, for which the host has no valid secret");
  append_text(answer, "CHAP_N", credentials_.mutual_user);
  append_text(answer, "CHAP_R",
              format_binary(chap_response(algorithm_, static_cast<std::uint8_t>(*number),
                                          credentials_.mutual_secret, *challenge)));
  mutual_ = true;
  return {};
}

}  // namespace caisson::iscsi
