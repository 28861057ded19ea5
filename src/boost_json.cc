// Compiles Boost.JSON once, so that Debian's shared library is no run-time dependency.
// BOOST_JSON_STANDALONE off.
#include <boost/json/src.hpp>
