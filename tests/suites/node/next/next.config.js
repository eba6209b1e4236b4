const {join} = require("node:path");

// sojourn-express is linked from here to adapters/.
module.exports = {turbopack: {root: join(__dirname, "../../../..")}};
