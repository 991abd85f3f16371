// SPDX-License-Identifier: Apache-2.0
// CHAP as iSCSI uses it (RFC 1994, RFC 7143 12.1.3), for both directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

enum class ChapAlgorithm : std::uint8_t { md5 = 5, sha1 = 6, sha256 = 7, sha3_256 = 8 };

inline constexpr std::size_t kMaxChapChallenge = 1024;

/// The first algorithm of the initiator's list ("7,5") that is known here.
std::optional<ChapAlgorithm> choose_chap_algorithm(std::string_view list);

/// Hash of identifier, secret and challenge.
std::vector<std::byte> chap_response(ChapAlgorithm algorithm, std::uint8_t identifier,
                                     std::string_view secret, std::span<const std::byte> challenge);

/// Bytes of a challenge and of a response.
std::size_t chap_digest_length(ChapAlgorithm algorithm) noexcept;

/// What one side expects of the other.
struct ChapCredentials {
  std::string_view user;
  std::string_view secret;
  std::string_view mutual_user;  ///< empty: cannot prove itself
  std::string_view mutual_secret;
};

/// The target's side of one login. The Failures are for the log: they name
/// what did not match, and never hold a secret.
class ChapExchange {
 public:
  explicit ChapExchange(const ChapCredentials& credentials) : credentials_(credentials) {}

  /// CHAP_A came: appends CHAP_A, CHAP_I and CHAP_C.
  Outcome<> begin(std::string_view algorithms, std::string& answer);

  struct Reply {
    std::optional<std::string_view> name, response;         // CHAP_N, CHAP_R
    std::optional<std::string_view> identifier, challenge;  // CHAP_I, CHAP_C: mutual
  };
  /// The initiator's proof: checks it and, if it asks for ours, appends CHAP_N
  /// and CHAP_R.
  Outcome<> finish(const Reply& reply, std::string& answer);

  /// The target has proved itself too.
  bool mutual() const noexcept { return mutual_; }

 private:
  Outcome<> prove(const Reply& reply, std::string& answer);

  ChapCredentials credentials_;
  ChapAlgorithm algorithm_{};
  std::uint8_t identifier_ = 0;
  bool mutual_ = false;
  std::vector<std::byte> challenge_;
};

}  // namespace caisson::iscsi
