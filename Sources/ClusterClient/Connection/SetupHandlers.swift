import NIOCore
import NIOSSL
import NIOTLS

/// Talks to a proxy until it is a tunnel, and then takes itself away.
final class TunnelHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var negotiation: any TunnelNegotiation
  private var bytes: [UInt8] = []
  private var promise: EventLoopPromise<Void>?

  init(_ negotiation: any TunnelNegotiation, _ promise: EventLoopPromise<Void>) {
    self.negotiation = negotiation
    self.promise = promise
  }

  func handlerAdded(context: ChannelHandlerContext) {
    send(negotiation.start(), context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes += unwrapInboundIn(data).readableBytesView
    do throws(TunnelFailure) {
      while promise != nil {
        switch try negotiation.take(&bytes) {
        case .needsMore: return
        case .send(let answer): send(answer, context)
        case .done:
          // The server behind the proxy does not speak first.
          guard bytes.isEmpty else {
            throw TunnelFailure(reason: "the proxy sends data of its own")
          }
          let promise = promise
          self.promise = nil
          promise?.completeWith(context.pipeline.syncOperations.removeHandler(self))
        }
      }
    } catch { fail(error, context) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error, context) }

  func channelInactive(context: ChannelHandlerContext) {
    fail(TunnelFailure(reason: "the proxy closed the connection"), context)
    context.fireChannelInactive()
  }

  private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
  }

  private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
    promise?.fail(error)
    promise = nil
    context.close(promise: nil)
  }
}

/// Waits for TLS, checks what NIO does not check, and then takes itself away.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  /// Of an address as the name of a server: NIO compares only that of the connection, which may be the proxy's.
  private let address: [UInt8]?
  private var promise: EventLoopPromise<NIOSSLCertificate?>?

  init(address: [UInt8]?, _ promise: EventLoopPromise<NIOSSLCertificate?>) {
    self.address = address
    self.promise = promise
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted(_)? = event as? TLSUserEvent, let promise else {
      context.fireUserInboundEventTriggered(event)
      return
    }
    let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
    if let address, certificate.map({ !$0.isFor(address) }) ?? true {
      errorCaught(context: context, error: WrongCertificate(certificate: certificate))
      return
    }
    self.promise = nil
    context.pipeline.syncOperations.removeHandler(self).map { certificate }.cascade(to: promise)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise?.fail(error)
    promise = nil
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    promise?.fail(ChannelError.eof)
    promise = nil
    context.fireChannelInactive()
  }
}

/// The certificate is trusted, but another server's.
struct WrongCertificate: Error {
  var certificate: NIOSSLCertificate?
}

extension NIOSSLCertificate {
  /// Whether one of its alternative names is that address.
  func isFor(_ address: [UInt8]) -> Bool {
    _subjectAlternativeNames().contains {
      $0.nameType == .ipAddress && $0.contents.elementsEqual(address)
    }
  }

  /// Its names and addresses, for an error.
  var names: String {
    let names = _subjectAlternativeNames().compactMap { name -> String? in
      switch name.nameType {
      case .dnsName: String(decoding: name.contents, as: UTF8.self)
      case .ipAddress:
        (try? SocketAddress(packedIPAddress: ByteBuffer(bytes: name.contents), port: 0))?.ipAddress
      default: nil
      }
    }
    return names.isEmpty ? "none" : names.prefix(20).joined(separator: ", ")
  }
}
