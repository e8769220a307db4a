import Glibc

// What tests expect of calls, by name: errno constants cannot be told from other numbers.

/// No route: what a connect to a VIP gets when nobody translates it.
let networkUnreachable = ENETUNREACH
let refused = ECONNREFUSED
let tryAgain = EAGAIN
let noBuffers = ENOBUFS
