// Takes mail by SMTP on loopback port SMTP_PORT and shows it on MAIL_HTTP_PORT: GET /mails?to=ADDRESS answers the mails to an address,
// oldest first, as `{to, token, text}`; DELETE forgets them.
import http from 'node:http'
import net from 'node:net'

let mails = []

/** The text of a mail's parts, undone from quoted-printable or base64. */
function textOf(raw) {
  const parts = raw.split(/\r\n--[^\r\n]+\r\n/)
  return parts.map((part) => {
    const [head, body] = [part.split('\r\n\r\n', 1)[0], part.slice(part.indexOf('\r\n\r\n') + 4)]
    if (/^content-transfer-encoding: *base64/im.test(head)) return Buffer.from(body, 'base64').toString()
    const unfolded = body.replaceAll('=\r\n', '')
    const bytes = unfolded.replace(/=([0-9A-F]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)))
    return Buffer.from(bytes, 'latin1').toString()
  }).join('\n')
}

/** One conversation (RFC 5321): whatever the client says is fine. */
function receive(socket) {
  let received = ''
  let mail
  const say = (line) => socket.write(`${line}\r\n`)
  say('220 mail.test')
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    for (;;) {
      const end = received.indexOf(mail?.isData ? '\r\n.\r\n' : '\r\n')
      if (end < 0) return
      const line = received.slice(0, end)
      received = received.slice(end + (mail?.isData ? 5 : 2))
      if (mail?.isData) {
        const text = textOf(line)
        mails.push({ to: mail.to, text, token: text.match(/\b[A-Z2-7]{5}-[A-Z2-7]{5}\b/)?.[0] })
        mail = undefined
        say('250 taken')
      } else if (/^mail from:/i.test(line)) {
        mail = { to: [], isData: false }
        say('250 ok')
      } else if (/^rcpt to:/i.test(line)) {
        mail.to.push(line.match(/<(.*)>/)[1])
        say('250 ok')
      } else if (/^data$/i.test(line)) {
        mail.isData = true
        say('354 go on')
      } else if (/^quit$/i.test(line)) {
        say('221 bye')
        socket.end()
      } else {
        say('250 ok')
      }
    }
  })
}

net.createServer(receive).listen(Number(process.env.SMTP_PORT), '127.0.0.1')
http
  .createServer((request, response) => {
    const to = new URL(request.url, 'http://localhost').searchParams.get('to')
    const found = mails.filter((mail) => to === null || mail.to.includes(to))
    if (request.method === 'DELETE') mails = mails.filter((mail) => !found.includes(mail))
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
  })
  .listen(Number(process.env.MAIL_HTTP_PORT), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
