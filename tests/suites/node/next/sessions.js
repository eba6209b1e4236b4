import {sessions} from "sojourn-express/fetch";

export const {open, commit, handle} = sessions({service: process.env.SOJOURN_SERVICE, key: process.env.SOJOURN_KEY});
