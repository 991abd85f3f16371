// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/demand.hpp"

#include <openssl/evp.h>

#include <stdexcept>
#include <string>

namespace caisson::iscsi {

Demand::Demand(const scsi::HostIdentity& host) {
  if (!host.no_auth) chap_ = digest(host.chap_user, host.chap_secret);
  if (!host.mutual_user.empty()) mutual_ = digest(host.mutual_user, host.mutual_secret);
}

Demand::Digest Demand::digest(std::string_view user, std::string_view secret) {
  std::string both(user);
  both.append(1, '\0').append(secret);
  Digest digest;
  if (EVP_Digest(both.data(), both.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("OpenSSL does not offer SHA-256");
  return digest;
}

bool Demand::covers(const Demand& now) const noexcept {
  bool proved = !now.chap_ || now.chap_ == chap_;
  bool mutual = !now.mutual_ || now.mutual_ == mutual_;
  return proved && mutual;
}

}  // namespace caisson::iscsi
