// SPDX-License-Identifier: Apache-2.0
// Asio, compiled once (BOOST_ASIO_SEPARATE_COMPILATION): an including file
// pays for declarations only.
#include <boost/asio/impl/src.hpp>
