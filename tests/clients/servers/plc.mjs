// A PLC directory that keeps its operations in memory, on loopback port PLC_PORT.
import plc from '@did-plc/server'

const server = plc.PlcServer.create({ db: plc.Database.mock(), port: Number(process.env.PLC_PORT) })
await server.start()
process.on('SIGTERM', () => process.exit(0))
